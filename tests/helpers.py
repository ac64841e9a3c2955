"""What several tests share: tiny generators of both families, stand-in weights, where the test data are."""

import zlib
from pathlib import Path

import numpy as np
import torch

from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import build_generator

DATA = Path(__file__).parent / "data"
TINY = {
    "stylegan2": GeneratorConfig("stylegan2", 32, z_dim=32, w_dim=32, mapping_layers=2, channel_base=512, channel_max=32),
    "mobile": GeneratorConfig("mobile", 32, z_dim=32, w_dim=32, mapping_layers=2, channel_base=512, channel_max=32,
                              preview_resolutions=(16,)),
}  # fmt: skip


def make_generator(config, seed=0):
    """A generator with seeded random weights whose noise and biases are not zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = build_generator(config)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in generator.state_dict().items():
            if name.endswith("kernel"):
                continue
            scale = 0.1 if name.endswith(("bias", "noise", "noise.weight")) else float(parameter.std()) or 1.0
            if "affine.bias" in name or "modulation.bias" in name or name.endswith("up.bias"):
                parameter.copy_(1 + 0.1 * torch.from_numpy(rng.standard_normal(parameter.shape)))
            else:
                parameter.copy_(scale * torch.from_numpy(rng.standard_normal(parameter.shape)))
    return generator.eval().requires_grad_(False)


def stand_in_weights(keys, salt="shared"):
    """Weights by key and shape, as the golden data in tests/data/parity were made with; no checkpoint is needed.

    The discriminator's golden scores were made with its own filters (gain 1), so filters are left to the caller.
    """
    out = {}
    for key, shape in keys.items():
        if key.endswith(("kernel", "resample_filter")):
            continue
        values = np.random.default_rng(zlib.crc32((salt + key).encode())).standard_normal(shape).astype(np.float32)
        if key.startswith(("style.", "mapping.fc")) and key.endswith("weight"):
            values = values * 100
        if key.endswith(("modulation.bias", "affine.bias")):
            values = 1 + 0.1 * values
        elif key.endswith(("bias", "noise.weight", "noise_strength")):
            values = 0.1 * values
        out[key] = torch.tensor(values)
    return out
