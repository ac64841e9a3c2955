"""Looks for the codes of aligned faces with one bundle's networks: where to start, what to aim at, how good the end is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import torch
from PIL import Image

from ganji import images, project, project_options
from ganji.bank import LatentBank, codes
from ganji.errors import WeightsError
from ganji.expression_goal import ExpressionGoal
from ganji.expression_map import ExpressionMap
from ganji.expression_reader import ExpressionReader
from ganji.face_regions import face_mask
from ganji.latents import WStatistics
from ganji.networks.generator import Generator
from ganji.perceptual import LPIPS
from ganji.precision import in_quick_precision
from ganji.project import ProjectionStep
from ganji.recipe import PhotoCode
from ganji.results import Projected

BANK_CANDIDATES = 8


class Projector:
    """Photos' codes in one face generator.

    Args:
        face: the generator. space: its whitened space (latents.w_statistics, activated).
        distance: LPIPS; None: there is no projection with these weights.
        bank: where to start; None: in the middle.
        reader, known: which expression a picture and a code show; None: a search does not look at it.
    """

    def __init__(
        self,
        face: Generator,
        space: WStatistics,
        distance: LPIPS | None,
        *,
        bank: LatentBank | None = None,
        reader: ExpressionReader | None = None,
        known: ExpressionMap | None = None,
    ):
        self._face, self._space, self._distance = face, space, distance
        self._device = space.mean.device
        self._bank, self._reader = bank, reader
        self._known = known and known.on(self._device)
        self._quick: tuple[Generator, LPIPS] | None = None
        self._lock = threading.Lock()

    def project(
        self, aligned: Image.Image, mode: str, state: project.ProjectionState | None, deadline: float | None
    ) -> Iterator[ProjectionStep]:
        """Look for the code of an aligned face, step by step, from the bank's nearest codes or from an earlier state.

        Raises:
            WeightsError: the bundle has no perceptual network.
        """
        generator, distance = self._networks()
        target = images.to_tensor(aligned).to(self._device)
        state = state or project.start_from(self._starts(target), self._space, generator.config.num_ws)
        options = project_options.with_deadline(project_options.MODES[mode], deadline)
        mask = face_mask(generator.config.img_resolution).to(self._device)
        goal = self._goal(target)
        yield from project.project(
            generator, target, distance, options, space=self._space, state=state, mask=mask, goal=goal
        )

    def finish(self, aligned: Image.Image, step: ProjectionStep, mode: str, seconds: float | None) -> Projected:
        """The result of a projection: its picture in float32 and how good it is."""
        assert self._distance is not None
        target = images.to_tensor(aligned).to(self._device)
        with torch.no_grad():
            picture = self._face.synthesis(step.w_plus.to(self._device))
            distance = float(self._distance(picture.clamp(-1, 1), target))
        error = float((picture.clamp(-1, 1) - target).abs().mean()) / 2
        code, took = PhotoCode(project.w_plus_array(step.w_plus)), step.seconds if seconds is None else seconds
        return Projected(
            images.to_pil(picture)[0], code, distance, error, step.index + 1, took, str(self._device), mode
        )

    def _networks(self) -> tuple[Generator, LPIPS]:
        """(face generator, LPIPS) in the precision that this machine is quick at, made at first use."""
        if self._distance is None:
            raise WeightsError("This bundle has no perceptual network, so photos cannot be projected.")
        with self._lock:
            if self._quick is None:
                quick = in_quick_precision(self._device, self._face, self._distance)
                self._quick = cast("tuple[Generator, LPIPS]", quick)
            return self._quick

    def _starts(self, target: torch.Tensor) -> torch.Tensor | None:
        """Codes to start from: the bank's nearest; None without a bank."""
        if self._bank is None or self._distance is None:
            return None
        seeds = self._bank.nearest(target, self._distance, BANK_CANDIDATES)
        return codes(seeds, self._bank.truncation_psi, self._face, self._space.mean)

    def _goal(self, target: torch.Tensor) -> ExpressionGoal | None:
        """The expression that is read off the photo; None without a reader."""
        if self._reader is None or self._distance is None:
            return None
        return ExpressionGoal.of(target, self._reader, self._known, self._distance)
