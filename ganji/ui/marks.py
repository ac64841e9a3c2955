"""Marking a face by hand: both eyes and the mouth, on the photo."""

from __future__ import annotations

import html
import itertools
from typing import Any

import gradio as gr
import numpy as np

from ganji.errors import InputError
from ganji.ui import components, parts, texts
from ganji.ui.photo_desk import PhotoWork
from ganji.ui.shell import Page, Updates
from ganji.ui.visit import Visit

SIDE = 640  # px of the photo that the page shows
NAMES = ("points_left", "points_right", "points_mouth")
# Where eyes and mouth lie in an aligned crop, from its centre in half sides; and in a photo of which nothing is known.
IN_CROP = np.array([(-0.25, -0.055), (0.25, -0.055), (0.0, 0.5)])
IN_PHOTO = ((0.4, 0.4), (0.6, 0.4), (0.5, 0.6))

_sendings = itertools.count(1)


class MarkPanel:
    """The photo with three marks, and the button that uses them."""

    def __init__(self, page: Page):
        self.page = page
        with gr.Accordion(texts.label("points_title"), open=False, visible=False, elem_id="marks") as self.box:
            gr.Markdown(texts.label("points_hint"), elem_classes="hint")
            self.board = components.points("marks-board")
            self.use = gr.Button(texts.label("points_use"), variant="primary", elem_id="marks-use")

    @property
    def outputs(self) -> list[Any]:
        """What `offered` and `closed` change."""
        return [self.box, self.board]

    def closed(self) -> Updates:
        """Nothing to mark."""
        return {self.box: gr.update(visible=False, open=False)}

    def offered(self, work: PhotoWork, lang: str, *, is_open: bool) -> Updates:
        """A photo to mark."""
        return {self.box: gr.update(visible=True, open=is_open), self.board: _value(work, lang)}

    def wire(self) -> None:
        """Declare its event: what was sent to the drawer before it was opened for the first time never arrived."""
        self.page.on(self.box.expand, self._fill, [self.board], [self.board], shows=False)

    def _fill(self, visit: Visit, value: Any, request: gr.Request) -> Updates:
        work = self.page.desk.get(visit.photo)
        is_filled = isinstance(value, dict) and bool(value.get("markup"))
        return {self.board: gr.skip() if work is None or is_filled else _value(work, texts.language(request))}

    @staticmethod
    def read(work: PhotoWork, value: Any) -> tuple[tuple[float, float], ...]:
        """The marks as pixels of the photo.

        Raises:
            InputError: no three places on the photo.
        """
        places = value.get("places") if isinstance(value, dict) else None
        try:
            array = np.array(places, np.float64).reshape(3, 2)
        except (TypeError, ValueError):
            raise InputError("Mark both eyes and the mouth first.") from None
        if not np.isfinite(array).all() or (array < 0).any() or (array > 1).any():
            raise InputError("The marks must lie on the photo.")
        x, y = array.T
        return tuple(zip((x * work.photo.width).tolist(), (y * work.photo.height).tolist()))


def _value(work: PhotoWork, lang: str) -> dict[str, Any]:
    """What the board shows: the photo, its marks where they stand at first."""
    return {"n": next(_sendings), "markup": _markup(work, lang), "places": []}


def _markup(work: PhotoWork, lang: str) -> str:
    photo = parts.image(parts.thumbnail(work.photo, SIDE, 85), texts.say(lang, "points_alt"), SIDE)
    marks = "".join(
        f'<button type="button" class="mark{" next" if k == 0 else ""}" style="left:{100 * x:.2f}%;top:{100 * y:.2f}%" '
        f'aria-label="{html.escape(texts.say(lang, name))}"><span>{html.escape(texts.say(lang, name))}</span></button>'
        for k, (name, (x, y)) in enumerate(zip(NAMES, _places(work)))
    )
    return f'<div class="board">{photo}{marks}</div>'


def _places(work: PhotoWork) -> list[tuple[float, float]]:
    """Where the marks stand at first: on the face that is used, as fractions of the photo."""
    if work.aligned is None:
        return list(IN_PHOTO)
    quad, size = work.aligned.quad, work.full_size
    centre, across, down = quad.mean(axis=0), (quad[3] - quad[0]) / 2, (quad[1] - quad[0]) / 2
    places = centre + IN_CROP[:, :1] * across + IN_CROP[:, 1:] * down
    return [(float(x), float(y)) for x, y in np.clip(places / np.array(size), 0.02, 0.98)]
