"""From a photo to its face code, as `emojify` and `project` go: align, look for the code step by step, judge what was found."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganji import project, project_options
from ganji.align import AlignedFace, largest_note
from ganji.commands.common import ProgressBar
from ganji.photos import open_photo
from ganji.results import Projected
from ganji.studio import Studio


@dataclass(frozen=True)
class FaceCode:
    """What was found in a photo; `note` says that there were other faces, if nobody chose among them."""

    aligned: AlignedFace
    found: Projected
    note: str

    @property
    def sentence(self) -> str:
        """How it went."""
        p = self.found
        return f"{p.verdict} ({_likeness(p.distance)}), {p.steps} steps, {p.seconds:.1f} s on {p.device}"


class SearchBar:
    """A progress bar for `find_face_code` to tell."""

    def __init__(self, mode: str):
        self._bar = ProgressBar(project_options.MODES[mode].num_steps, "projecting")

    def told(self, step: project.ProjectionStep) -> None:
        """A step is done."""
        self._bar.update(step.index + 1, _likeness(step.distance))

    def finish(self, found: Projected) -> None:
        """The search has ended, perhaps early."""
        self._bar.finish(found.steps, _likeness(found.distance))


def find_face_code(
    studio: Studio, photo: Path, mode: str, told: Callable[[project.ProjectionStep], object], face_index: int = 0
) -> FaceCode:
    """Look for the code of a photo's face.

    Args:
        mode: "fast" or "portrait".
        told: called with every step of the search.
        face_index: which of several faces, the largest is 0.
    Raises:
        PhotoError: the photo cannot be used. InputError: no such face.
    """
    start = time.monotonic()
    aligned = studio.align(open_photo(photo), face_index=face_index)
    step = None
    for step in studio.project(aligned.picture, mode):
        told(step)
    assert step is not None
    found = studio.finish(aligned.picture, step, mode, time.monotonic() - start)
    return FaceCode(aligned, found, largest_note(aligned.num_faces) if face_index == 0 else "")


def _likeness(distance: float) -> str:
    return f"LPIPS {distance:.3f}"
