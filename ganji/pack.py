"""A set of labelled emoji as one contact sheet, one zip and one animation. Layout only: who makes the emoji is not its affair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganji import stickers
from ganji.errors import InputError
from ganji.matte import cut_out_all
from ganji.sticker_files import make_zip, save
from ganji.sticker_frame import common_box, frame

MAX_ITEMS = 30
TILE, GAP, CAPTION = 192, 16, 28  # px of the contact sheet
MAX_CAPTION = 22  # letters
INK, PAPER = (40, 40, 48), (255, 255, 255)
PLATFORMS = ("png", "slack", "discord-sticker", "telegram", "whatsapp", "kakaotalk")
SHEET = "contact-sheet.png"
ANIMATED = "whatsapp"  # the platform whose animation comes with a pack

HOLD, FADE = 6, 3  # frames that an emoji stays, and that lead to the next one


@dataclass(frozen=True)
class PackItem:
    """One emoji.

    Attributes:
        label: what it shows; names its files and stands under it.
        picture: RGB on white or whatever else, or RGBA, already cut out; all of a pack have one size.
    """

    label: str
    picture: Image.Image


@dataclass(frozen=True)
class Motion:
    """Frames that move through a pack, for `stickers.animate`.

    Attributes:
        frames: RGBA, of one size.
        holds: for how many frames' time each one stays.
    """

    frames: list[Image.Image]
    holds: list[int]


def cut_out_items(items: Sequence[PackItem]) -> list[PackItem]:
    """The same emoji without their backgrounds. All other functions take either.

    Raises:
        InputError: no items, too many, or of several sizes.
    """
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InputError(f"A pack has 1 to {MAX_ITEMS} emoji, not {len(items)}.")
    if len({item.picture.size for item in items}) > 1:
        raise InputError("The emoji of a pack must all have the same size.")
    if all(item.picture.mode == "RGBA" for item in items):
        return list(items)
    pictures = cut_out_all([item.picture for item in items])
    return [PackItem(item.label, picture) for item, picture in zip(items, pictures)]


def contact_sheet(items: Sequence[PackItem], columns: int | None = None) -> Image.Image:
    """RGB: every emoji on white with its label below, all in one scale.

    Labels that are not plain ASCII are left out: the font that Pillow brings along has no other letters.

    Args:
        columns: None for about as many as rows.
    """
    items = cut_out_items(items)
    columns = min(max(1, columns or math.ceil(math.sqrt(len(items)))), len(items))
    rows = math.ceil(len(items) / columns)
    captions = CAPTION if any(item.label.isascii() for item in items) else 0
    step_x, step_y = TILE + GAP, TILE + GAP + captions
    sheet = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=18)
    box = common_box([item.picture for item in items])
    for k, item in enumerate(items):
        x, y = GAP + k % columns * step_x, GAP + k // columns * step_y
        tile = frame(item.picture, TILE, 0, box)
        sheet.paste(tile, (x, y), tile)
        if item.label.isascii():
            draw.text((x + TILE / 2, y + TILE + CAPTION / 2), item.label[:MAX_CAPTION], INK, font, anchor="mm")
    return sheet


def through(items: Sequence[PackItem], between: Sequence[Sequence[Image.Image]] | None = None) -> Motion:
    """A round through all emoji, back to the first.

    Args:
        items: at least two.
        between: for every item the frames that lead to the next one (the last: to the first), of the items' size, RGB or
            RGBA; None for cross-fades.
    Raises:
        InputError: as in `cut_out_items`, fewer than two items, or `between` of another length.
    """
    if len(items) < 2:
        raise InputError("An animation needs at least two emoji.")
    if between is None:
        pictures = [item.picture for item in cut_out_items(items)]
        ahead = [*pictures[1:], pictures[0]]
        steps = [[_mixed(a, b, k / (FADE + 1)) for k in range(1, FADE + 1)] for a, b in zip(pictures, ahead)]
    elif len(between) != len(items):
        raise InputError(f"between must have frames after each of the {len(items)} emoji, not {len(between)} lists.")
    else:
        lists = [[item.picture, *some] for item, some in zip(items, between)]
        flat = [picture for one in lists for picture in one]
        cut = iter(flat if all(picture.mode == "RGBA" for picture in flat) else cut_out_all(flat))
        lists = [[next(cut) for _ in one] for one in lists]
        pictures, steps = [one[0] for one in lists], [one[1:] for one in lists]
    frames, holds = [], []
    for picture, some in zip(pictures, steps):
        frames += [picture, *some]
        holds += [HOLD] + [1] * len(some)
    return Motion(frames, holds)


def pack_zip(
    items: Sequence[PackItem],
    credits: str,
    *,
    platforms: Sequence[str] = PLATFORMS,
    motion: Motion | None = None,
    stem: str = "ganji",
) -> bytes:
    """Every emoji for every platform, the contact sheet, the animation if there is one, and the credits.

    Args:
        credits: the text of CREDITS.txt.
        platforms: names of `stickers.PLATFORMS`.
        motion: of `through`.
        stem: begins every file's name; then follow the emoji's number and label.
    """
    items = cut_out_items(items)
    files: dict[str, bytes] = {}
    for number, item in enumerate(items, start=1):
        name = f"{stickers.safe_name(stem)[:12]}-{number:02d}-{stickers.safe_name(item.label)}"
        for platform in platforms:
            files[stickers.file_name(name, platform)] = stickers.export(item.picture, platform)
    files[SHEET] = save(contact_sheet(items), "PNG")
    if motion is not None:
        files[stickers.file_name(stem, ANIMATED, animated=True)] = stickers.export_animated(
            motion.frames, ANIMATED, holds=motion.holds
        )
    return make_zip(files, credits)


def _mixed(first: Image.Image, second: Image.Image, share: float) -> Image.Image:
    """A cross-fade of two RGBA pictures; what is transparent lends no colour."""
    a, b = (np.asarray(picture, np.float32) for picture in (first, second))
    alpha_a, alpha_b = (1 - share) * a[..., 3:], share * b[..., 3:]
    alpha = alpha_a + alpha_b
    colour = (a[..., :3] * alpha_a + b[..., :3] * alpha_b) / np.maximum(alpha, 1e-3)
    return Image.fromarray(np.round(np.concatenate((colour, alpha), axis=2)).astype(np.uint8))
