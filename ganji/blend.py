"""Network blending: one generator out of a face generator and an emoji generator that was trained from it.

After Pinkney and Adler 2020 (layer swapping) and the generator interpolation of SOAT (Chong et al. 2021), but on
weights: the result is an ordinary Generator. Layers are counted in `config.layer_order`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ganji.errors import BlendError
from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import Generator, build_generator


@dataclass(frozen=True)
class BlendCut:
    """Where and how strongly the emoji generator takes over.

    Attributes:
        num_face_layers: the first so many layers of `layer_order` have the face generator's weights.
        strength: of the emoji generator in all other layers, 0 (their weights are the face generator's) to 1.
    """

    num_face_layers: int
    strength: float = 1.0


@dataclass(frozen=True)
class BlendPreset:
    """A named cut, and the row of w_plus from which on it wants the style code; None leaves that to the generator."""

    name: str
    cut: BlendCut
    style_row: int | None = None


def blend_presets(config: GeneratorConfig) -> tuple[BlendPreset, ...]:
    """The cuts worth offering, from all emoji to nearly all face.

    StyleGAN2: the cut that GAN-ji deployed in 2022 and the defaults of SOAT, which tie the style to the cut; besides, as
    for the mobile family, one per level.
    """
    presets = []
    for side in (0, *config.feature_resolutions[:-1]):
        count = config.num_layers_up_to(side)
        presets.append(BlendPreset(f"face to {side} px" if side else "emoji", BlendCut(count)))
    if config.family == "stylegan2":
        presets.append(BlendPreset("ganji-2022", BlendCut(3), style_row=2))
        presets.append(BlendPreset("soat", BlendCut(6, 0.7), style_row=4))
    return tuple(presets)


@torch.no_grad()
def blend_generators(face: Generator, emoji: Generator, cut: BlendCut) -> Generator:
    """One ordinary generator, in eval mode, with the face generator's mapping network.

    It has no preview pictures of its own: those heads know one parent's features only.

    Raises:
        BlendError: other families or architectures; a cut that this architecture does not have.
    """
    config = face.config
    _check(config, emoji.config, cut)
    target_config = replace(emoji.config, preview_resolutions=())
    blended = build_generator(target_config).to(next(face.parameters()).device).requires_grad_(False)
    ours, theirs, target = face.state_dict(), emoji.state_dict(), blended.state_dict()
    strength_of: dict[str, float] = {}
    for index, layer in enumerate(config.layer_order):
        strength = 0.0 if index < cut.num_face_layers else cut.strength
        strength_of |= dict.fromkeys(layer.parameters, strength)
    for name, tensor in target.items():
        strength = 0.0 if name.startswith("style.") else strength_of[_owner(name, strength_of)]
        tensor.copy_(torch.lerp(ours[name], theirs[name], strength))
    return blended.eval()


def _owner(name: str, prefixes: dict[str, float]) -> str:
    """The layer prefix that a state-dict entry belongs to."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in prefixes:
            return prefix
    raise KeyError(name)


def _check(face: GeneratorConfig, emoji: GeneratorConfig, cut: BlendCut) -> None:
    if face.family != emoji.family:
        raise BlendError(
            f"A {face.family} generator and a {emoji.family} generator cannot be blended; both must be of one family."
        )
    plain = [replace(c, style_row=None, preview_resolutions=(), conv_clamp=None) for c in (face, emoji)]
    if plain[0] != plain[1]:
        raise BlendError(
            f"These generators have different architectures ({face.img_resolution} px and {emoji.img_resolution} px, or other widths) and cannot be blended."
        )
    top = len(face.layer_order)
    if not isinstance(cut.num_face_layers, int) or not 0 <= cut.num_face_layers <= top:
        raise BlendError(f"The cut must be from 0 to {top} face layers, not {cut.num_face_layers!r}.")
    if not 0 <= cut.strength <= 1:
        raise BlendError(f"The strength must be from 0 to 1, not {cut.strength!r}.")
