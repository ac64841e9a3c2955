"""Photos being worked on: the photo, its faces and the search's state, in memory only and for ten minutes at most."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ganji.align import AlignedFace
from ganji.privacy import MAX_AGE, TransientCache
from ganji.service import FoundFace

MAX_PHOTOS = 32
MAX_SIDE = 2400  # px of the copy that is kept for marking a face by hand


@dataclass
class PhotoWork:
    """One photo.

    Attributes:
        photo: RGB, upright, not larger than needed. full_size: (width, height) of the photo as it came, which quads refer to.
        faces: the crops of all faces found, the largest first.
        aligned: the crop that is used; None until there is one.
        found: what the search found. was_shown: whether that has become a picture of the visit.
        mode: of the search.
        stop: set to end the search with what it has. is_left: set to end it for good.
        aligned_file: the crop as a file for the page's before/after view.
    """

    photo: Image.Image
    full_size: tuple[int, int]
    faces: list[AlignedFace] = field(default_factory=list)
    aligned: AlignedFace | None = None
    found: FoundFace | None = None
    was_shown: bool = False
    mode: str = "fast"
    stop: threading.Event = field(default_factory=threading.Event)
    is_left: bool = False
    aligned_file: Path | None = None

    def use(self, aligned: AlignedFace) -> None:
        """Work on another crop."""
        self.aligned, self.found, self.aligned_file, self.was_shown = aligned, None, None, False

    def leave(self) -> None:
        """End a running search: its result is not wanted."""
        self.is_left = True
        self.stop.set()


class PhotoDesk:
    """All photos of all visitors, each under a key that only its visit knows."""

    def __init__(self) -> None:
        self._works: TransientCache[PhotoWork] = TransientCache(MAX_PHOTOS, MAX_AGE)

    def put(self, photo: Image.Image, faces: list[AlignedFace]) -> tuple[str, PhotoWork]:
        """Start on a photo whose faces have been cropped: (its key, the work)."""
        kept = photo.copy()
        kept.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
        key, work = secrets.token_hex(16), PhotoWork(kept, photo.size, faces)
        self._works.put(key, work)
        return key, work

    def get(self, key: str) -> PhotoWork | None:
        """The work; None if there is none or it was too long ago."""
        return self._works.get(key) if key else None

    def purge(self) -> None:
        """Forget what is too old."""
        self._works.purge()
