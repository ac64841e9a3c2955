"""One visitor's pictures: what was made, which one is on show, and the codes of photos among them.

Lives in a gr.State, so it is the visitor's alone and goes with the session. Changed in place and under a lock: events of
one page run side by side, and none may lose what another has just made.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from ganji.recipe import DEFAULT_STYLE, PhotoCode, Recipe

MAX_MADE = 40  # pictures kept; over it the oldest slider moves go first


@dataclass(frozen=True)
class Made:
    """A picture of this visit.

    Attributes:
        number: its own, never used twice in a visit.
        thumbnail: a small `data:` URL.
    """

    number: int
    recipe: Recipe
    thumbnail: str


@dataclass
class Wish:
    """What the next face is drawn like."""

    style: str = DEFAULT_STYLE
    num_face_layers: int = 0
    blend_strength: float = 1.0


@dataclass
class GridShown:
    """The last random grid: its first seed and truncation, and a thumbnail for each seed."""

    seed: int = 0
    truncation_psi: float = 0.7
    thumbnails: list[str] = field(default_factory=list)


@dataclass
class PackShown:
    """The last emoji pack: a recipe and a thumbnail for each expression that is painted."""

    recipes: list[Recipe] = field(default_factory=list)
    thumbnails: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FaceShown:
    """The random face behind the last emoji of one."""

    recipe: Recipe
    thumbnail: str
    file: Path


class Visit:
    """Everything of one page that is open.

    Attributes:
        photo: key of the photo being worked on (photo_desk.py), or empty.
        wish, grid, face: choices and pictures that outlive one picture.
        strip_of, strip: what the blend strip shows, and its thumbnails by cut point.
        movement, pack: what was last set in motion, and the last pack.
        has_arrived: whether the first picture has been shown.
        sent: digests of what the page shows, so that nothing is sent twice.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: list[Made] = []
        self._current: int | None = None
        self._before: list[int] = []  # numbers of what was on show, for undo; the last is the next one
        self._after: list[int] = []  # and for redo
        self._next = 1
        self._codes: dict[str, PhotoCode] = {}
        self.photo = ""
        self.wish, self.grid = Wish(), GridShown()
        self.face: FaceShown | None = None
        self.strip_of: Recipe | None = None
        self.strip: dict[int, str] = {}
        self.movement, self.pack = "", PackShown()
        self.has_arrived = False
        self.sent: dict[int, int] = {}

    def __deepcopy__(self, memo: dict[int, object]) -> Visit:
        """A fresh visit: Gradio copies the first value of a State for every session."""
        return Visit()

    @property
    def made(self) -> tuple[Made, ...]:
        """Oldest first."""
        with self._lock:
            return tuple(self._made)

    @property
    def current(self) -> Made | None:
        """The picture on show."""
        with self._lock:
            return next((made for made in self._made if made.number == self._current), None)

    def code_of(self, recipe: Recipe) -> PhotoCode | None:
        """The face code that a recipe needs, if it is one of a photo."""
        with self._lock:
            return self._codes.get(recipe.photo or "")

    def add(self, recipe: Recipe, thumbnail: str, code: PhotoCode | None = None) -> Made:
        """Put a new picture on show. The same as the one on show is not kept twice."""
        with self._lock:
            if code is not None:
                self._codes[code.digest] = code
            same = next((made for made in self._made if made.number == self._current and made.recipe == recipe), None)
            if same is not None:
                return same
            made = Made(self._next, recipe, thumbnail)
            self._next += 1
            self._made.append(made)
            self._turn_to(made.number)
            self._trim()
            return made

    def choose(self, number: int) -> Made | None:
        """Show a picture again; None if it is not there any more."""
        with self._lock:
            found = next((made for made in self._made if made.number == number), None)
            if found is not None:
                self._turn_to(number)
            return found

    def neighbour(self, step: int) -> Made | None:
        """What undo (-1) or redo (1) shows: the picture that was on show before this one, or after it."""
        with self._lock:
            numbers = self._before if step < 0 else self._after
            return next((made for made in self._made if numbers and made.number == numbers[-1]), None)

    def _turn_to(self, number: int) -> None:
        """Put a number on show: one step back or ahead if it is the next there, else a new way that leads nowhere yet."""
        if self._current is None or number == self._current:
            self._current = number
            return
        if self._before[-1:] == [number]:
            self._before.pop()
            self._after.append(self._current)
        elif self._after[-1:] == [number]:
            self._after.pop()
            self._before.append(self._current)
        else:
            self._before.append(self._current)
            self._after.clear()
        self._current = number

    def _trim(self) -> None:
        """Forget the oldest pictures over the limit, slider moves first, and codes that no picture needs."""
        while len(self._made) > MAX_MADE:
            others = [made for made in self._made if made.number != self._current]
            self._made.remove(next((made for made in others if made.recipe.strengths), others[0]))
        kept = {made.number for made in self._made}
        self._before = [number for number in self._before if number in kept][-MAX_MADE:]
        self._after = [number for number in self._after if number in kept]
        needed = {made.recipe.photo for made in self._made}
        self._codes = {digest: code for digest, code in self._codes.items() if digest in needed}
