"""How fast each tensor learns."""

from __future__ import annotations

import math

import torch

from ganji.training.options import TrainOptions


def tensor_scale(family: str, name: str, parameter: torch.Tensor) -> float:
    """Factor on the learning rate of one generator parameter.

    StyleGAN2 stores weights of unit variance, so one rate fits all. The mobile family stores plain weights, and
    1 / sqrt(fan-in) gives them the same relative step; the constant input has no fan-in and learns at 0.3.
    """
    if family != "mobile":
        return 1.0
    if name == "input":
        return 0.3
    return 1.0 if parameter.ndim < 2 else 1 / math.sqrt(parameter[0].numel())


def schedule(options: TrainOptions, step: int) -> float:
    """Factor on all learning rates at `step`: a linear warm-up, then 1, then half a cosine over the last stage."""
    warmup = min(1.0, (step + 1) / max(1, options.warmup_steps))
    last = options.stages[-1].steps
    done = (step - (options.total_steps - last)) / last
    if done <= 0:
        return warmup
    cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, done))
    return warmup * (options.final_learning_rate + (1 - options.final_learning_rate) * cosine)
