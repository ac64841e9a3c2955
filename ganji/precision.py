"""Which number format this machine is quick at, measured; final pictures are float32 everywhere."""

from __future__ import annotations

import copy
import time
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import nn

MIN_GAIN = 1.5
Network = TypeVar("Network", bound=nn.Module)


def prefers_bfloat16(device: torch.device) -> bool:
    """Measure one convolution in both precisions. True where bfloat16 is at least 1.5 times as fast."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.zeros(4, 256, 32, 32, dtype=dtype, device=device).to(memory_format=torch.channels_last)
        weight = torch.zeros(256, 256, 3, 3, dtype=dtype, device=device).to(memory_format=torch.channels_last)
        with torch.no_grad():
            F.conv2d(x, weight, padding=1)
            tries = []
            for _ in range(3):
                start = time.perf_counter()
                F.conv2d(x, weight, padding=1)
                tries.append(time.perf_counter() - start)
        seconds[dtype] = min(tries)
    return seconds[torch.float32] > MIN_GAIN * seconds[torch.bfloat16]


def in_quick_precision(device: torch.device, *networks: Network) -> tuple[Network, ...]:
    """The networks themselves, or copies of them in bfloat16 where this machine is quicker at that."""
    if not prefers_bfloat16(device):
        return networks
    return tuple(copy.deepcopy(network).bfloat16() for network in networks)
