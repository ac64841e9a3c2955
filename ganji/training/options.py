"""What a training run is told, as one frozen record that also travels in its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ganji.errors import InputError

TARGETS = ("teacher", "paired", "adversarial")


@dataclass(frozen=True)
class Stage:
    """A part of a run at one picture size: low resolutions first, because they are cheap.

    Attributes:
        resolution: side of the pictures.
        images: pictures seen in this stage.
        batch_size: pictures per step.
    """

    resolution: int
    images: int
    batch_size: int

    @property
    def steps(self) -> int:
        """How many steps show that many pictures."""
        return -(-self.images // self.batch_size)

    @classmethod
    def parse(cls, text: str) -> Stage:
        """Read "RESOLUTION:IMAGES:BATCH", e.g. "128:40000:16"."""
        try:
            resolution, images, batch_size = (int(part) for part in text.split(":"))
        except ValueError:
            raise InputError(f"A stage is RESOLUTION:IMAGES:BATCH, for example 128:40000:16, not {text!r}.") from None
        if min(resolution, images, batch_size) < 1:
            raise InputError(f"The three numbers of a stage must be positive, not {text!r}.")
        return cls(resolution, images, batch_size)


@dataclass(frozen=True)
class TrainOptions:
    """
    Attributes:
        target: "teacher" or "paired" (every picture has its w_plus) or "adversarial" (pictures only). `adversarial_weight`
            adds the adversarial term to the first two.
        stages: run in this order.
        learning_rate: of the generator; per-tensor scales come on top (learning_rate.py).
        final_learning_rate: fraction of it at the end of the last stage, reached along a half cosine.
        warmup_steps: linear warm-up at the start.
        train: glob patterns of generator parameters that are trained; all others stay as they are.
        pixel_weight, perceptual_weight: of the L1 and LPIPS terms.
        preview_weight: of the same terms for every smaller picture that the generator can make.
        adversarial_weight: of the non-saturating logistic loss; 0 switches the discriminator off.
        discriminator_learning_rate: of the discriminator.
        r1_gamma, r1_interval: lazy R1 regularisation, every `r1_interval` steps.
        freeze_d: number of leading discriminator blocks that stay frozen (FreezeD, Mo et al. 2020).
        style_mixing: probability of two codes in one picture, adversarial target only.
        mirror: also show the real pictures mirrored, adversarial target only.
        ema_images: half-life of the averaged generator, in pictures.
        seed: of everything random; step k draws from (seed, k) alone, so a resumed run repeats itself.
        precision: "float32", "bfloat16" (with float32 master weights) or "auto" (what precision.py measures).
        compile: let torch.compile fuse the generator; needs a C++ compiler.
        checkpoint_images, sample_images: how often to save and to paint a sample sheet.
    """

    target: str
    stages: tuple[Stage, ...]
    learning_rate: float = 2.5e-3
    final_learning_rate: float = 0.03
    warmup_steps: int = 50
    train: tuple[str, ...] = ("*",)
    pixel_weight: float = 1.0
    perceptual_weight: float = 1.0
    preview_weight: float = 0.25
    adversarial_weight: float = 0.0
    discriminator_learning_rate: float = 2e-3
    r1_gamma: float = 1.0
    r1_interval: int = 16
    freeze_d: int = 0
    style_mixing: float = 0.0
    mirror: bool = True
    ema_images: float = 2000.0
    seed: int = 0
    precision: str = "auto"
    compile: bool = False
    checkpoint_images: int = 4000
    sample_images: int = 8000

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(f"target must be one of {', '.join(TARGETS)}, not {self.target!r}.")
        if not self.stages:
            raise InputError("A run needs at least one stage.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise InputError(f"precision must be auto, float32 or bfloat16, not {self.precision!r}.")
        if self.target == "adversarial" and self.adversarial_weight <= 0:
            object.__setattr__(self, "adversarial_weight", 1.0)

    @property
    def total_steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def total_images(self) -> int:
        """Pictures seen in all stages."""
        return sum(stage.steps * stage.batch_size for stage in self.stages)

    def at(self, step: int) -> tuple[Stage, int]:
        """(the stage of global step `step`, pictures seen before it)."""
        seen = 0
        for stage in self.stages:
            if step < stage.steps:
                return stage, seen + step * stage.batch_size
            step -= stage.steps
            seen += stage.steps * stage.batch_size
        raise IndexError(step)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainOptions:
        """Read what `to_dict` made.

        Raises:
            InputError: an option that does not exist.
        """
        known = {f.name for f in fields(cls)}
        if set(values) - known:
            raise InputError(f"Unknown training options: {sorted(set(values) - known)}.")
        stages: Sequence[dict[str, int]] = values["stages"]
        return cls(**{**values, "stages": tuple(Stage(**s) for s in stages), "train": tuple(values["train"])})
