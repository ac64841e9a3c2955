"""photo -> code, without an encoder: gradient descent on a code until its picture resembles the target.

After Karras et al. 2020 (appendix D) with the whitened prior of Wulff and Torralba 2020. Differs from the public
projectors in what makes it quick: it starts from a bank's nearest codes (bank.py) instead of the mean, first at a low
resolution where synthesis stops early, one tied w before one w per row, and no noise maps; and what it makes likest is the
expression, by a close-up of eyes and mouth (likeness.py) and by measures that are read off it (expression_goal.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from ganji.errors import InputError, ProjectionError
from ganji.expression_goal import ExpressionGoal
from ganji.latents import WStatistics
from ganji.likeness import Likeness
from ganji.memory import with_less_memory
from ganji.networks.generator import Generator
from ganji.perceptual import LPIPS
from ganji.project_options import ProjectOptions

BETAS, EPSILON = (0.9, 0.99), 1e-8
PATIENCE_WINDOW = 20  # steps over which progress is judged
MAX_BAD_STEPS = 3  # non-finite losses in a row


@dataclass(frozen=True)
class ProjectionState:
    """All that a later run needs to go on, as arrays on the CPU, so that it can travel between processes.

    Attributes:
        codes: [K, num_ws, w_dim] float32: whitened codes of the K candidates.
        first, second: Adam's moments, of the same shape. moments: how many steps they have seen.
        stage, step: position: index of the stage and of the next step in it. index: steps done in all.
    """

    codes: np.ndarray
    first: np.ndarray
    second: np.ndarray
    moments: int
    stage: int
    step: int
    index: int


@dataclass(frozen=True)
class ProjectionStep:
    """What one step gave.

    Attributes:
        index: from 0. loss, distance: of the best candidate; distance is the perceptual term alone.
        w_plus: [1, num_ws, w_dim] float32, detached.
        picture: [1, 3, R, R] at the stage's resolution R, detached: what w_plus was a step ago.
        resolution: R. seconds: since the start.
        state: to go on from here.
    """

    index: int
    loss: float
    distance: float
    w_plus: torch.Tensor
    picture: torch.Tensor
    resolution: int
    seconds: float
    state: ProjectionState


def start_from(w: torch.Tensor | None, space: WStatistics, num_ws: int) -> ProjectionState:
    """A fresh state whose candidates are the codes w [K, w_dim]; None: one candidate, the middle of the whitened space."""
    v = torch.zeros(1, space.to_w.shape[0]) if w is None else space.whiten(w)
    codes = v[:, None].expand(-1, num_ws, -1).contiguous().cpu().numpy()
    return ProjectionState(codes, np.zeros_like(codes), np.zeros_like(codes), 0, 0, 0, 0)


def project(
    generator: Generator,
    target: torch.Tensor,
    distance: LPIPS,
    options: ProjectOptions,
    *,
    space: WStatistics,
    state: ProjectionState,
    mask: torch.Tensor | None = None,
    goal: ExpressionGoal | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[ProjectionStep]:
    """Find a w_plus whose picture resembles `target`. Yields after every step; stop by not asking for more.

    Args:
        generator: in the precision that is to be used; its parameters are not changed.
        target: [1, 3, R, R] float32 in [-1, 1], RGB, aligned; R = generator.config.img_resolution.
        distance: LPIPS network.
        space: whitened w space of this generator (latents.w_statistics, activated).
        state: where to start: `start_from`, or the state of an earlier step.
        mask: [1, 1, R, R] in [0, 1]: where the picture counts.
        goal: the target's expression; None: it is not read.
    Raises:
        InputError: a target of another size.
        ProjectionError: the loss stays non-finite.
        BusyError: memory runs out, even with one candidate at a time.
    Source: Karras et al. 2020, appendix D; differs as the module's docstring says.
    """
    side = generator.config.img_resolution
    if target.shape != (1, 3, side, side):
        raise InputError(f"The target must be [1, 3, {side}, {side}], not {list(target.shape)}.")
    started = clock()
    index = state.index
    for number in range(state.stage, len(options.stages)):
        stage = options.stages[number]
        stage = replace(stage, resolution=generator.resolution_from(stage.resolution))
        run = _StageRun(generator, target, distance, options, stage, space, mask, goal, state)
        for step in range(state.step, stage.num_steps):
            loss, perceptual, picture = run.advance(step)
            best = int(torch.argmin(loss))
            index += 1
            state = run.state(number, step + 1, index)
            w_plus = run.w_plus(best)
            seconds = clock() - started
            yield ProjectionStep(
                index - 1,
                float(loss[best]),
                float(perceptual[best]),
                w_plus,
                picture[best : best + 1],
                stage.resolution,
                seconds,
                state,
            )
            if options.deadline is not None and seconds >= options.deadline:
                return
            if run.has_settled(options.tolerance):
                break
        state = run.survivors(number + 1, index)


class _StageRun:
    """The optimisation of one stage: candidates, moments, targets at its resolution."""

    def __init__(self, generator, target, distance, options, stage, space, mask, goal, state):  # type: ignore[no-untyped-def]
        device = target.device
        self.batch_size = len(state.codes)  # of candidates that are painted at one time
        self.generator, self.options, self.stage, self.space, self.goal = generator, options, stage, space, goal
        self.codes, self.first, self.second = (
            torch.from_numpy(a.copy()).to(device) for a in (state.codes, state.first, state.second)
        )
        self.moments, self.bad_steps, self.history = state.moments, 0, []
        factor = generator.config.img_resolution // stage.resolution
        if factor > 1:
            target = F.avg_pool2d(target, factor)
            mask = None if mask is None else F.avg_pool2d(mask, factor)
        self.likeness = Likeness(
            target,
            distance,
            mask=mask,
            colour_weight=options.colour_weight,
            close_up_weight=options.close_up_weight,
            goal=goal,
            expression_weight=options.expression_weight,
        )

    def advance(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One Adam step for all candidates. Returns (loss [K], perceptual distance [K], pictures), all detached."""
        codes = self.codes.mean(dim=1, keepdim=True) if self.stage.tied else self.codes
        loss, perceptual, picture, gradient = self._in_batches(self._judge, codes)
        finite = bool(torch.isfinite(loss).all()) and bool(torch.isfinite(gradient).all())
        if not finite:
            self.bad_steps += 1
            if self.bad_steps >= MAX_BAD_STEPS:
                raise ProjectionError("The search for this face did not converge. Try another photo.")
        else:
            self.bad_steps = 0
            self._adam(gradient, step)
        self.history.append(float(loss.min()))
        return loss, perceptual, picture

    def _judge(self, codes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(loss [B], perceptual distance [B], pictures, the loss's gradient) of codes [B, 1 or num_ws, w_dim], detached."""
        codes = codes.detach().requires_grad_(True)
        v = codes.expand(-1, self.codes.shape[1], -1)
        picture, unlikeness, perceptual = self._painted(v)
        centre = v.mean(dim=1, keepdim=True)
        prior = centre.square().mean(dim=(1, 2)) * self.options.prior_weight
        spread = (v - centre).square().mean(dim=(1, 2)) * self.options.spread_weight
        loss = unlikeness + prior + spread
        if self.goal is not None and self.options.meaning_weight:
            loss = loss + self.options.meaning_weight * self.goal.of_codes(self.space.unwhiten(centre[:, 0]))
        (gradient,) = torch.autograd.grad(loss.sum(), codes)
        return loss.detach(), perceptual.detach(), picture.detach(), gradient

    def _painted(self, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(pictures, loss [B] without priors, perceptual distance [B]) of whitened codes [B, num_ws, w_dim]."""
        picture = self.generator.synthesis(self.space.unwhiten(v), resolution=self.stage.resolution).float()
        return picture, *self.likeness.judge(picture)

    def _in_batches(
        self, work: Callable[[torch.Tensor], tuple[torch.Tensor, ...]], codes: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """What `work` gives for all candidates: at one time, or, once memory has run out in this stage, one by one.

        Raises:
            BusyError: there is no memory even for one.
        """

        def run() -> tuple[torch.Tensor, ...]:
            return tuple(torch.cat(parts) for parts in zip(*map(work, codes.split(self.batch_size))))

        def run_one_by_one() -> tuple[torch.Tensor, ...]:
            self.batch_size = 1
            return run()

        return with_less_memory(run, run_one_by_one if self.batch_size > 1 else None)

    @torch.no_grad()
    def _adam(self, gradient: torch.Tensor, step: int) -> None:
        """Adam (Kingma and Ba 2015) with a half-cosine learning rate over the stage."""
        if self.stage.tied:
            gradient = gradient.expand_as(self.codes)
            self.codes = self.codes.mean(dim=1, keepdim=True).expand_as(self.codes).clone()
        self.moments += 1
        self.first = torch.lerp(gradient, self.first, BETAS[0])
        self.second = torch.lerp(gradient.square(), self.second, BETAS[1])
        mean = self.first / (1 - BETAS[0] ** self.moments)
        square = self.second / (1 - BETAS[1] ** self.moments)
        rate = self.stage.learning_rate * (0.1 + 0.9 * (0.5 + 0.5 * math.cos(math.pi * step / self.stage.num_steps)))
        self.codes = self.codes - rate * mean / (square.sqrt() + EPSILON)

    def has_settled(self, tolerance: float) -> bool:
        """Whether the loss has stopped falling."""
        if len(self.history) < 2 * PATIENCE_WINDOW:
            return False
        recent = min(self.history[-PATIENCE_WINDOW:])
        before = min(self.history[:-PATIENCE_WINDOW])
        return recent > before * (1 - tolerance)

    @torch.no_grad()
    def w_plus(self, index: int) -> torch.Tensor:
        """The code of one candidate: [1, num_ws, w_dim]."""
        return self.space.unwhiten(self.codes[index : index + 1])

    def state(self, stage: int, step: int, index: int) -> ProjectionState:
        codes, first, second = (t.detach().cpu().numpy() for t in (self.codes, self.first, self.second))
        return ProjectionState(codes, first, second, self.moments, stage, step, index)

    def survivors(self, stage: int, index: int) -> ProjectionState:
        """The state in which the next stage starts: the best candidates; moments start afresh."""
        with torch.no_grad():
            losses = torch.tensor(self._final_losses())
        order = torch.argsort(losses)[: self.stage.keep]
        codes = self.codes[order].detach().cpu().numpy()
        return ProjectionState(codes, np.zeros_like(codes), np.zeros_like(codes), 0, stage, 0, index)

    def _final_losses(self) -> list[float]:
        if len(self.codes) == 1:
            return [0.0]
        _, losses, _ = self._in_batches(self._painted, self.codes)
        return losses.tolist()


def w_plus_array(w_plus: torch.Tensor) -> np.ndarray:
    """A code as it is kept and sent: [num_ws, w_dim] float32."""
    return w_plus[0].detach().cpu().float().numpy()


def tied(w_plus: torch.Tensor, space: WStatistics) -> torch.Tensor:
    """The one w nearest to all rows in whitened space: [B, num_ws, w_dim] -> [B, w_dim]."""
    return space.unwhiten(space.whiten(w_plus).mean(dim=1))
