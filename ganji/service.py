"""What one visitor's request does: validation, turns on the device, the studio, results. Knows no web framework.

The page, the API, the MCP tools and the replicas of deploy/ all go through here; the command line uses Studio directly,
because it has the machine to itself.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ganji import project, project_options, validate
from ganji.admission import Admission, Limits, Waiting
from ganji.align import AlignedFace, align_face
from ganji.errors import BusyError, FaceTooSmallError, NoFaceError
from ganji.memory import with_less_memory
from ganji.privacy import MAX_AGE, TransientCache
from ganji.recipe import DEFAULT_STYLE, PhotoCode, Recipe
from ganji.results import Painted, Projected
from ganji.studio import Studio
from ganji.workshop import Workshop

PREVIEW_EVERY = 0.5  # s
CACHE_ENTRIES = 32
MAX_FACES = 8  # of a photo, offered for choice
DEADLINES = {"fast": 60.0, "portrait": 150.0}  # s; on a slow machine the best code so far is the answer


@dataclass(frozen=True)
class Progress:
    """A projection under way.

    Attributes:
        done, total: steps; `total` is the most it can take.
        distance: LPIPS at the present resolution; None while waiting.
        preview: what the code looks like now, or None if nothing new is to be seen.
        seconds: since the start, or until the turn comes while waiting.
        position: in the queue, 1 is next; 0 when running.
        state: to go on from, should this be the last step.
    """

    done: int
    total: int
    distance: float | None
    preview: Image.Image | None
    seconds: float
    position: int
    state: project.ProjectionState | None = None


@dataclass(frozen=True)
class FoundFace:
    """The end of a projection: what was found, and the state to go on from."""

    projected: Projected
    state: project.ProjectionState | None
    from_cache: bool = False


class Service:
    """One process's answers to many visitors. Nothing of a visitor stays here but the ten-minute cache of codes.

    Args:
        get_studio: returns the loaded studio, or raises WeightsError with a sentence while there is none.
    """

    def __init__(self, get_studio: Callable[[], Studio], admission: Admission | None = None):
        self._get_studio = get_studio
        self.admission = admission or Admission(Limits())
        self._found: TransientCache[FoundFace] = TransientCache(CACHE_ENTRIES, MAX_AGE)
        self._draining = threading.Event()
        self._packing = threading.Lock()

    @property
    def studio(self) -> Studio:
        """The models.

        Raises:
            WeightsError: they are not there yet. BusyError: the process is about to end.
        """
        self._refuse_when_draining()
        return self._get_studio()

    def _refuse_when_draining(self) -> None:
        """
        Raises:
            BusyError: the process is about to end.
        """
        if self.is_draining:
            raise BusyError("The app is being restarted; try again in a minute.", 60)

    @property
    def is_draining(self) -> bool:
        """Whether new jobs are refused because the process is about to end."""
        return self._draining.is_set()

    def drain(self, seconds: float) -> None:
        """Refuse new jobs, end searches at their next step, and wait until nothing is under way, at most so long."""
        self._draining.set()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            load = self.admission.load
            if not (load.short_running or load.short_waiting or load.long_running or load.long_waiting):
                return
            time.sleep(0.05)

    def purge(self) -> None:
        """Forget codes of photos that are too old."""
        self._found.purge()

    def generate(
        self, seed: Any, count: Any = 20, truncation_psi: Any = validate.TRUNCATION_PSI.default
    ) -> Iterator[Painted]:
        """Random emoji, one by one; other visitors get their turn between two of them.

        Raises:
            InputError: a value out of range. BusyError: too many wait.
        """
        pictures = self.studio.generate(seed, count, truncation_psi)
        while True:
            with self.admission.short_job():
                picture = next(pictures, None)
            if picture is None:
                return
            yield picture

    def render(self, recipe: Recipe, code: PhotoCode | None = None) -> Painted:
        """Paint a recipe."""
        with self.admission.short_job():
            return self.studio.render(recipe, code)

    def customize(self, seed: Any, strengths: Any, truncation_psi: Any = validate.TRUNCATION_PSI.default) -> Painted:
        """A random emoji with its sliders moved."""
        studio = self.studio
        recipe = Recipe(
            "emoji",
            seed=validate.integer("seed", seed, validate.SEED),
            truncation_psi=validate.number("truncation_psi", truncation_psi, validate.TRUNCATION_PSI),
            strengths=validate.strengths(strengths, len(studio.directions["emoji"])),
        )
        return self.render(recipe)

    def emojify(
        self, seed: Any, cut: Any = 0, strength: Any = 1.0, style: Any = DEFAULT_STYLE
    ) -> tuple[Painted, Painted]:
        """(a random face, the same as an emoji)."""
        studio = self.studio
        emoji = studio.emojified(seed=seed, num_face_layers=cut, blend_strength=strength, style=style)
        return self.render(studio.face_recipe(seed=seed)), self.render(emoji)

    def emojify_code(self, code: PhotoCode, cut: Any = 0, strength: Any = 1.0, style: Any = DEFAULT_STYLE) -> Painted:
        """A photo's face code as an emoji."""
        recipe = self.studio.emojified(code=code, num_face_layers=cut, blend_strength=strength, style=style)
        return self.render(recipe, code)

    def align(self, photo: Image.Image, *, face_index: int = 0, points: Any = None) -> AlignedFace:
        """Crop the face of a decoded photo."""
        with self.admission.short_job():
            return self.studio.align(photo, face_index=face_index, points=points)

    def align_all(self, photo: Image.Image) -> list[AlignedFace]:
        """Crop every face of a decoded photo that is large enough, the largest first; eight at most.

        Raises:
            NoFaceError, FaceTooSmallError: there is none.
        """
        studio = self.studio
        with self.admission.short_job():
            found = with_less_memory(lambda: studio.detector(photo))
            crops: list[AlignedFace] = []
            for index in range(max(1, min(len(found), MAX_FACES))):
                try:
                    crops.append(align_face(photo, lambda _: found, studio.img_resolution, face_index=index))
                except (NoFaceError, FaceTooSmallError):
                    if not crops:
                        raise
            return crops

    def find_code(
        self,
        aligned: Image.Image,
        mode: Any = "fast",
        state: project.ProjectionState | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Progress | FoundFace]:
        """Look for the code of an aligned face. Yields Progress at every step and a FoundFace at the end.

        The same pixels again answer at once from memory for ten minutes. Whoever stops asking frees the device.

        Args:
            state: go on from where an earlier run stopped; `can_go_on` says whether there is anything left to do.
            is_stopped: asked after every item; once it is true, what was found so far is the answer. Before the first
                step there is none, and the last item is a Progress.
        """
        mode = validate.choice("mode", mode, tuple(project_options.MODES))
        studio, key = self.studio, _key(aligned, mode)
        known = self._found.get(key) if state is None else None
        if known is not None:
            yield known
            return
        start = shown = time.monotonic()
        total = project_options.MODES[mode].num_steps
        step = None
        steps = studio.project(aligned, mode, state=state, deadline=DEADLINES[mode])
        for item in self.admission.long_job(steps, seconds=DEADLINES[mode]):
            if isinstance(item, Waiting):
                yield Progress(0, total, None, None, item.seconds, item.position)
                self._refuse_when_draining()
                if is_stopped():
                    return
                continue
            step, now = item, time.monotonic()
            preview = None
            if now - shown >= PREVIEW_EVERY or step.index == 0:
                preview, shown = studio.preview(step), now
            yield Progress(step.index + 1, total, step.distance, preview, now - start, 0, step.state)
            self._refuse_when_draining()
            if is_stopped():
                break
        assert step is not None
        found = self.finish(aligned, step, mode, time.monotonic() - start)
        if not is_stopped():
            self._found.put(key, found)
        yield found

    def finish(self, aligned: Image.Image, step: project.ProjectionStep, mode: str, seconds: float) -> FoundFace:
        """The result of a projection that ended or was stopped at `step`."""
        with self.admission.short_job():
            return FoundFace(self.studio.finish(aligned, step, mode, seconds), step.state)

    @staticmethod
    def can_go_on(found: FoundFace, mode: str) -> bool:
        """Whether a search in this mode, starting from what was found, has steps left."""
        if found.state is None:
            return False
        stages = project_options.MODES[mode].stages
        left = [stage.num_steps for stage in stages[found.state.stage :]]
        return bool(left) and (len(left) > 1 or found.state.step < left[0])

    @property
    def workshop(self) -> Workshop:
        """Makes stickers, animations and packs: paints in turn with everybody, and packs files one job at a time."""
        return Workshop(self.studio, self.render, lambda: self._packing)

    def directions(self) -> dict[str, Any]:
        """The sliders of each kind of picture, for programs."""
        studio = self.studio
        kinds = {
            kind: [
                {"index": k, "name": d.name, "rows": list(d.rows), "unit": d.unit} for k, d in enumerate(items.items)
            ]
            for kind, items in studio.directions.items()
        }
        return {"range": [validate.STRENGTH.low, validate.STRENGTH.high], "note": studio.sliders_off, **kinds}


def _key(aligned: Image.Image, mode: str) -> str:
    """What the cache knows a crop by."""
    pixels = np.asarray(aligned.convert("RGB"))
    return hashlib.sha256(pixels.tobytes() + mode.encode()).hexdigest()
