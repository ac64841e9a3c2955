"""Pieces of the page as HTML: pictures, tiles, progress. Pure functions; every text that goes in is escaped here."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

THUMBNAIL = 112  # px, shown at half of that on most screens


@dataclass(frozen=True)
class Tile:
    """Something to choose.

    Attributes:
        pick: what the click says.
        label: what it is, for everybody; shown if `is_named`, else read aloud and shown on hovering.
        picture: URL, or empty.
        colour: CSS colour of a swatch, or empty.
        is_chosen: whether it is the present choice; None where choosing leaves no mark.
    """

    pick: str
    label: str
    picture: str = ""
    colour: str = ""
    is_named: bool = False
    is_chosen: bool | None = False


def data_url(data: bytes, kind: str) -> str:
    """A `data:` URL of a picture's bytes; `kind` is "png", "webp" or "jpeg"."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def thumbnail(picture: Image.Image, side: int = THUMBNAIL, quality: int = 80) -> str:
    """A small picture as a `data:` URL."""
    small = picture.convert("RGB")
    if max(small.size) > side:
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=quality, method=3)
    return data_url(stream.getvalue(), "webp")


def live_url(picture: Image.Image) -> str:
    """A picture that is not kept, quickly packed, every pixel as it is."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return data_url(stream.getvalue(), "png")


def image(url: str, alt: str, side: int = 256) -> str:
    """A square picture."""
    return f'<img src="{html.escape(url)}" alt="{html.escape(alt)}" width="{side}" height="{side}" draggable="false">'


def tile(item: Tile) -> str:
    """One button."""
    text = html.escape(item.label)
    pressed = "" if item.is_chosen is None else f' aria-pressed="{str(item.is_chosen).lower()}"'
    inside = image(item.picture, "", THUMBNAIL) if item.picture else ""
    if item.colour:
        inside = f'<span class="swatch" style="background:{html.escape(item.colour)}"></span>'
    name = f"<span>{text}</span>" if item.is_named else ""
    hidden = "" if item.is_named else f' aria-label="{text}" title="{text}"'
    return f'<button type="button" class="tile" data-pick="{html.escape(item.pick)}"{pressed}{hidden}>{inside}{name}</button>'


def tiles(items: Iterable[Tile], label: str, look: str = "") -> str:
    """A group of tiles; `look` is a class of the stylesheet (grid, strip, swatches, words)."""
    return f'<div class="tiles {look}" role="group" aria-label="{html.escape(label)}">{"".join(map(tile, items))}</div>'


def stage(url: str, name: str, recipe: str, notice: str = "") -> str:
    """The picture on show. `recipe` goes into the page's address; empty leaves it alone."""
    link = f' data-recipe="{html.escape(recipe)}"' if recipe else ""
    note = f'<p class="notice">{html.escape(notice)}</p>' if notice else ""
    return (
        f'<figure class="sticker"{link}>{image(url, name)}<figcaption>{html.escape(name)}</figcaption></figure>'
        f'<div role="status">{note}</div>'
    )


def empty(text: str) -> str:
    """A place where something will be."""
    return f'<p class="empty">{html.escape(text)}</p>'


def panels(pictures: Iterable[tuple[str, str]], label: str) -> str:
    """Pictures side by side, each with its caption: (URL, caption); an empty URL is a place that waits."""
    cells = (
        f"<figure>{image(url, caption) if url else '<div class=wait></div>'}<figcaption>{html.escape(caption)}</figcaption></figure>"
        for url, caption in pictures
    )
    arrow = '<span class="arrow" aria-hidden="true">→</span>'
    return f'<div class="panels" role="group" aria-label="{html.escape(label)}">{arrow.join(cells)}</div>'


def progress(text: str, share: float | None) -> str:
    """A bar; without a share it only moves."""
    if share is None:
        bar, value = '<div class="bar moving"><i></i></div>', ""
    else:
        percent = round(100 * min(1.0, max(0.0, share)))
        bar, value = f'<div class="bar"><i style="width:{percent}%"></i></div>', f' aria-valuenow="{percent}"'
    name = html.escape(text)
    return f'<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="100"{value} aria-label="{name}">{bar}<p>{name}</p></div>'


def message(text: str, kind: str = "note") -> str:
    """A sentence that is read aloud when it appears; `kind` is "note" or "problem"."""
    if not text:
        return ""
    return f'<p class="message {kind}" role="{"alert" if kind == "problem" else "status"}">{html.escape(text)}</p>'


def fine_print(text: str) -> str:
    """A line for those who look for it."""
    return f'<p class="fine">{html.escape(text)}</p>'
