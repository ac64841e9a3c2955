"""What a run leaves behind for people: JSON lines, TensorBoard scalars, sample sheets, a progress line."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganji import images, latents
from ganji.training.loop import Trainer, TrainingStep
from ganji.training.pictures import PictureFolder

EVERY = 50  # steps per line
SAMPLES = 16
SAMPLE_PSI = 0.7


class Report:
    """Collects steps and writes `log.jsonl`, `tensorboard/` (if tensorboard is installed) and `samples-*.png`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._terms: dict[str, list[float]] = defaultdict(list)
        self._seconds = 0.0
        self._images = 0
        self._start = time.monotonic()
        self._log = (folder / "log.jsonl").open("a", encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._board: Any = SummaryWriter(str(folder / "tensorboard"))
        except ImportError:
            self._board = None

    def step(self, step: TrainingStep, batch_size: int) -> str | None:
        """Count a step. Every `EVERY` steps: a line for people, also written to the logs."""
        for name, value in step.terms.items():
            self._terms[name].append(value)
        self._seconds += step.seconds
        self._images += batch_size
        if (step.index + 1) % EVERY:
            return None
        values = {name: float(np.mean(v)) for name, v in self._terms.items()}
        rate = self._images / max(self._seconds, 1e-9)
        self.write("train", step.images, resolution=step.resolution, images_per_second=rate, **values)
        self._terms.clear()
        self._seconds, self._images = 0.0, 0
        shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        return f"{step.images:>8} images  {step.resolution:>4} px  {rate:5.1f} images/s  {shown}"

    def write(self, kind: str, images: int, **values: float) -> None:
        """One line of `log.jsonl`, and TensorBoard scalars."""
        row = {"kind": kind, "images": images, "seconds": round(time.monotonic() - self._start, 1)}
        rounded = {name: round(value, 6) for name, value in values.items()}
        self._log.write(json.dumps(row | rounded) + "\n")
        self._log.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, images)

    def samples(self, trainer: Trainer, pictures: PictureFolder | None, images_seen: int, resolution: int) -> Path:
        """A sheet of the averaged generator: beside held-out pictures, or seeds 0.. for adversarial runs."""
        path = self.folder / f"samples-{images_seen:08d}.png"
        sheet = sample_sheet(trainer, pictures, resolution)
        sheet.save(path)
        return path

    def close(self) -> None:
        """Flush and close."""
        self._log.close()
        if self._board is not None:
            self._board.close()


@torch.no_grad()
def sample_sheet(trainer: Trainer, pictures: PictureFolder | None, resolution: int):  # type: ignore[no-untyped-def]
    """Two rows of eight: with codes, each picture stands above what the generator makes of its code."""
    generator, config = trainer.ema, trainer.generator.config
    if pictures is None:
        w = latents.w_from_seeds(generator, range(SAMPLES))
        w = latents.truncate(w, latents.w_statistics(generator, num_samples=2000).mean, SAMPLE_PSI)
        w_plus, real = latents.to_w_plus(w, config.num_ws), None
    else:
        rows = range(min(SAMPLES, len(pictures)))
        w_plus = pictures.codes().w_plus(rows, config.num_ws, config.style_row)
        real = images.to_pil(pictures.batch(rows, resolution))
    fake = []
    for chunk in w_plus.to(trainer.device).split(4):
        fake += images.to_pil(generator.synthesis(chunk, resolution=resolution))
    if real is None:
        return images.grid(fake, 8)
    half = len(fake) // 2
    return images.grid(real[:half] + fake[:half] + real[half:] + fake[half:], half)
