"""What every visitor sees first, made once per process: a grid of emoji, a sample of each drawing set, and how long things
take on this machine.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from ganji.errors import GanjiError
from ganji.photos import open_photo
from ganji.service import FoundFace, Service
from ganji.ui import parts

logger = logging.getLogger(__name__)

GRID_SEED, GRID_COUNT = 0, 20
SAMPLE_SEED = 122  # a random face for the samples of the drawing sets
GRID_THUMBNAIL = 144  # px
EXAMPLES = Path(__file__).parent / "examples"
NEWEST = 0.3  # weight of the newest photo in the mean duration


class Showcase:
    """The first pictures and the pace. Safe to use from several threads; every picture is made once."""

    def __init__(self, service: Service):
        self._service = service
        self._lock = threading.Lock()
        self._grid: list[str] = []
        self._samples: dict[str, str] = {}
        self.emoji_seconds: float | None = None
        self.photo_seconds: float | None = None

    def grid(self) -> list[str]:
        """Thumbnails of the emoji of seeds 0 to 19."""
        with self._lock:
            if not self._grid:
                start = time.monotonic()
                painted = list(self._service.generate(GRID_SEED, GRID_COUNT))
                self.emoji_seconds = (time.monotonic() - start) / GRID_COUNT
                self._grid = [parts.thumbnail(p.picture, GRID_THUMBNAIL) for p in painted]
            return self._grid

    def samples(self) -> dict[str, str]:
        """One thumbnail for each drawing set, in its first colour; empty without a codebook."""
        studio = self._service.studio
        with self._lock:
            if not self._samples:
                first = {name.rpartition("-")[0]: name for name in reversed(studio.styles)}
                for drawing_set, style in first.items():
                    painted = self._service.render(studio.emojified(seed=SAMPLE_SEED, style=style))
                    self._samples[drawing_set] = parts.thumbnail(painted.picture, parts.THUMBNAIL)
            return self._samples

    def saw_photo(self, seconds: float) -> None:
        """Note how long a photo took."""
        before = self.photo_seconds
        self.photo_seconds = seconds if before is None else before + NEWEST * (seconds - before)

    def warm_up(self) -> None:
        """Make the first pictures and try one photo, so that the first visitor need not wait; gives way to visitors."""
        try:
            self.grid()
            self.samples()
            aligned = self._service.align(open_photo(EXAMPLES / "astronaut.jpg")).picture
            for item in self._service.find_code(aligned):
                if isinstance(item, FoundFace):
                    self.saw_photo(item.projected.seconds)
                elif self._service.admission.load.long_waiting:
                    return
        except GanjiError as error:
            logger.info("warm-up ended: %s", error)
        except Exception:
            logger.exception("warm-up failed")
