"""What a generator looks like: family, resolution, widths, and the order of its layers.

Knows arithmetic only; builds no tensors and reads no files. Everything else that needs a layer's name, its row of
w_plus or its position in the network asks here, so that the layer order is written once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

from ganji.errors import CheckpointError

FAMILIES = ("stylegan2", "mobile")
MIN_RESOLUTION, MAX_RESOLUTION = 16, 1024


@dataclass(frozen=True)
class LayerSpec:
    """One layer of a synthesis network, in the order in which it runs.

    Attributes:
        name: prefix of its parameters in the state dict (`convs.3`, `blocks.1.conv2`).
        row: the row of w_plus that drives it.
        kind: "conv", "up" or "to_rgb".
        resolution: side of its output in pixels (of the features; of the picture for the mobile family's output).
        parameters: prefixes of the state-dict entries that belong to it, `name` included.
    """

    name: str
    row: int
    kind: str
    resolution: int
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class GeneratorConfig:
    """The architecture of one generator.

    Attributes:
        family: "stylegan2" (Karras et al. 2020) or "mobile" (MobileStyleGAN, Belousov 2021).
        img_resolution: side of the pictures; a power of two, 16 to 1024.
        channel_base, channel_max, channel_multiplier: features at resolution r have
            min(channel_max, channel_base * channel_multiplier / r) channels.
        mapping_layers: depth of the mapping network.
        preview_resolutions: sides of the smaller pictures for which the mobile family has output heads of their own.
            StyleGAN2 needs none: its skip connections give a picture at every level.
        style_row: in an emoji generator, the first row of w_plus that a style code may drive (rows below it carry pose
            and expression); None where no such split was trained.
        conv_clamp: StyleGAN2 layers keep what they give within +-conv_clamp, as networks of NVlabs do that were trained
            with such a guard for float16; None: no guard.
    """

    family: str
    img_resolution: int
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 16384
    channel_max: int = 512
    channel_multiplier: int = 1
    preview_resolutions: tuple[int, ...] = ()
    style_row: int | None = None
    conv_clamp: float | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise CheckpointError(f"Unknown generator family {self.family!r}; known: {', '.join(FAMILIES)}.")
        r = self.img_resolution
        if not isinstance(r, int) or not MIN_RESOLUTION <= r <= MAX_RESOLUTION or r & (r - 1):
            raise CheckpointError(
                f"img_resolution must be a power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}, not {r!r}."
            )
        for name, top in (("z_dim", 4096), ("w_dim", 4096), ("mapping_layers", 16), ("channel_base", 1 << 18),
                          ("channel_max", 4096), ("channel_multiplier", 16)):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= top:
                raise CheckpointError(f"{name} must be a whole number from 1 to {top}, not {value!r}.")
        if self.family == "mobile" and any(self.channels(res) % 4 for res in self.feature_resolutions):
            raise CheckpointError("The mobile family needs channel counts that are multiples of 4.")
        if not isinstance(self.preview_resolutions, (list, tuple)):
            raise CheckpointError(f"preview_resolutions must be a list, not {self.preview_resolutions!r}.")
        object.__setattr__(self, "preview_resolutions", tuple(self.preview_resolutions))
        allowed = [2 * res for res in self.feature_resolutions[:-1]] if self.family == "mobile" else []
        if any(p not in allowed for p in self.preview_resolutions):
            raise CheckpointError(f"preview_resolutions must be among {allowed}, not {list(self.preview_resolutions)}.")
        row = self.style_row
        if row is not None and (type(row) is not int or not 0 < row < self.num_ws):
            raise CheckpointError(f"style_row must be from 1 to {self.num_ws - 1}, not {self.style_row!r}.")
        if self.conv_clamp is not None:
            self._check_clamp(self.conv_clamp)

    def _check_clamp(self, clamp: float) -> None:
        if isinstance(clamp, bool) or not isinstance(clamp, (int, float)) or not 0 < clamp < 1e6:
            raise CheckpointError(f"conv_clamp must be null or a number above 0 and below 1e6, not {clamp!r}.")
        if self.family != "stylegan2":
            raise CheckpointError("Only the stylegan2 family has a conv_clamp.")

    def channels(self, resolution: int) -> int:
        """Width of the features whose side is `resolution`."""
        return min(self.channel_max, self.channel_base * self.channel_multiplier // resolution)

    @cached_property
    def feature_resolutions(self) -> tuple[int, ...]:
        """Sides of the features, 4 first. The mobile family doubles the last ones in its output."""
        last = self.img_resolution // (2 if self.family == "mobile" else 1)
        return tuple(4 << k for k in range(last.bit_length() - 2))

    @cached_property
    def layer_order(self) -> tuple[LayerSpec, ...]:
        """Every layer in the order in which it runs: what blending counts."""
        return self._mobile_layers() if self.family == "mobile" else self._stylegan2_layers()

    @property
    def num_ws(self) -> int:
        """Rows of w_plus."""
        return max(layer.row for layer in self.layer_order) + 1

    def num_layers_up_to(self, resolution: int) -> int:
        """How many leading layers make the features (and, in StyleGAN2, the skip picture) up to `resolution`.

        The mobile family's output layer is never among them.
        """
        return sum(
            layer.resolution <= resolution and not (self.family == "mobile" and layer.kind == "to_rgb")
            for layer in self.layer_order
        )

    def _stylegan2_layers(self) -> tuple[LayerSpec, ...]:
        layers = [
            LayerSpec("conv1", 0, "conv", 4, ("conv1", "input", "noises.noise_0")),
            LayerSpec("to_rgb1", 1, "to_rgb", 4, ("to_rgb1",)),
        ]
        for k, resolution in enumerate(self.feature_resolutions[1:]):
            for j, kind in enumerate(("up", "conv")):
                n = 2 * k + j
                noise = f"noises.noise_{n + 1}"
                layers.append(LayerSpec(f"convs.{n}", n + 1, kind, resolution, (f"convs.{n}", noise)))
            layers.append(LayerSpec(f"to_rgbs.{k}", 2 * k + 3, "to_rgb", resolution, (f"to_rgbs.{k}",)))
        return tuple(layers)

    def _mobile_layers(self) -> tuple[LayerSpec, ...]:
        layers = [LayerSpec("conv", 0, "conv", 4, ("conv", "input"))]
        for k, resolution in enumerate(self.feature_resolutions[1:]):
            for j, (part, kind) in enumerate((("up", "up"), ("conv1", "conv"), ("conv2", "conv"))):
                name = f"blocks.{k}.{part}"
                layers.append(LayerSpec(name, 3 * k + 1 + j, kind, resolution, (name,)))
        output = f"to_rgbs.{self.img_resolution}"
        layers.append(LayerSpec(output, layers[-1].row + 1, "to_rgb", self.img_resolution, (output,)))
        return tuple(layers)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in a safetensors header or the manifest; `from_dict` reads them."""
        values = asdict(self)
        values["preview_resolutions"] = list(self.preview_resolutions)
        if self.conv_clamp is None:  # most have none, and older readers do not know it
            del values["conv_clamp"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GeneratorConfig:
        """Read what `to_dict` wrote.

        Raises:
            CheckpointError: an unknown, missing or impossible field.
        """
        known = {f.name for f in fields(cls)}
        if not isinstance(values, dict) or not {"family", "img_resolution"} <= set(values) <= known:
            odd = (
                sorted(set(values) ^ ({"family", "img_resolution"} | (set(values) & known)))
                if isinstance(values, dict)
                else []
            )
            raise CheckpointError(
                f"A generator config needs family and img_resolution and known fields; look at {odd[:5]}."
            )
        return cls(**values)
