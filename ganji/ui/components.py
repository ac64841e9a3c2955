"""The page's own controls, made of gr.HTML and small scripts in assets/; and an image input that decodes nothing."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

ASSETS = Path(__file__).parent / "assets"


@cache
def asset(name: str) -> str:
    """A text file of the page."""
    return (ASSETS / name).read_text(encoding="utf-8")


def board(elem_id: str, value: str = "", **options: Any) -> gr.HTML:
    """HTML whose `data-pick` elements can be chosen: its `select` event carries `pick`."""
    return gr.HTML(value, elem_id=elem_id, js_on_load=asset("tiles.js"), apply_default_css=False, **options)


def stage(elem_id: str) -> gr.HTML:
    """The picture on show; keeps the page's address on it."""
    return gr.HTML("", elem_id=elem_id, js_on_load=asset("stage.js"), apply_default_css=False)


def sliders(elem_id: str) -> gr.HTML:
    """Ranges described by the prop `markup`. The value is {"n": number of the sending, "v": numbers, "done": whether the move
    has ended}; each move is an `input` event.
    """
    return gr.HTML(
        {"n": 0, "v": [], "done": True},
        html_template="${markup}",
        js_on_load=asset("sliders.js"),
        apply_default_css=False,
        elem_id=elem_id,
        markup="",
    )


def points(elem_id: str) -> gr.HTML:
    """Three marks on a photo. The value is {"n": number of the sending, "markup": HTML of photo and marks, "places":
    [[x, y]] * 3}, from 0 to 1 across the photo.
    """
    return gr.HTML(
        {"n": 0, "markup": "", "places": []},
        html_template="${value.markup}",
        js_on_load=asset("points.js"),
        apply_default_css=False,
        elem_id=elem_id,
    )


class PhotoInput(gr.Image):
    """gr.Image that hands over the path or `data:` URL of an upload as it is: decoding it is for ganji.photos alone."""

    is_template = True  # the browser shows a gr.Image

    def preprocess(self, payload: Any) -> Any:
        """The path or URL; None for nothing."""
        if payload is None:
            return None
        url = payload.url or ""
        return url if url.startswith("data:") else payload.path
