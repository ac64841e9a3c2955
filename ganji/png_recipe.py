"""Recipes inside PNG files: written as one tEXt chunk, and read from it alone.

Of a foreign file nothing else is looked at: no pixel is decoded and no packed text unpacked, so none of it can do harm.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganji import validate
from ganji.errors import InputError
from ganji.photo_headers import PNG_SIGNATURE, Damaged, png_chunks
from ganji.recipe import Recipe, from_text

KEYWORD = "ganji"
_KEY = KEYWORD.encode() + b"\0"
_NONE = "This picture carries no recipe. Use a PNG that was saved here, unchanged."


def embed(picture: Image.Image, recipe: Recipe | None) -> bytes:
    """A PNG of the picture with its recipe, and no other metadata.

    Args:
        picture: RGB or RGBA.
        recipe: None: the PNG carries no metadata at all.
    """
    clean = Image.new(picture.mode, picture.size)
    clean.paste(picture)  # whatever `picture.info` holds stays behind
    text = PngInfo()
    if recipe is not None:
        text.add_text(KEYWORD, recipe.to_text())
    stream = io.BytesIO()
    clean.save(stream, "PNG", pnginfo=text)
    return stream.getvalue()


def extract(data: bytes) -> Recipe:
    """The recipe that a PNG carries.

    Raises:
        InputError: no PNG, damaged, without a recipe or with two; what `from_text` refuses.
    """
    if not isinstance(data, bytes) or len(data) > validate.MAX_PHOTO_BYTES:
        raise InputError(f"Choose a PNG of at most {validate.MAX_PHOTO_BYTES >> 20} MB that was saved here.")
    if not data.startswith(PNG_SIGNATURE):
        raise InputError(_NONE)
    try:
        texts = [text for text in _texts(data) if text.startswith(_KEY)]
    except Damaged:
        raise InputError("This PNG is damaged or incomplete. Use it as it was saved.") from None
    if not texts:
        raise InputError(_NONE)
    if len(texts) > 1:
        raise InputError("This picture carries two recipes. Use a PNG as it was saved here.")
    return from_text(texts[0][len(_KEY) :].decode("latin-1"))


def _texts(data: bytes) -> list[bytes]:
    """The tEXt chunks up to the end of the picture, uncut.

    Raises:
        Damaged: cut short, or a text's check sum is wrong.
    """
    texts: list[bytes] = []
    for kind, start, stop in png_chunks(data):
        if kind == b"IEND":
            return texts
        if kind == b"tEXt" and stop - start <= validate.MAX_RECIPE_TEXT + len(_KEY):
            if zlib.crc32(data[start - 4 : stop]) != struct.unpack(">I", data[stop : stop + 4])[0]:
                raise Damaged("its check sums are wrong")
            texts.append(data[start:stop])
    raise Damaged("it stops early")


def is_emoji_file(path: Path) -> bool:
    """Whether a file is an emoji of ours, by the recipe that it carries: not a photo, a crop or a reconstruction, nor a blend
    with layers of the face generator, which shows as much of somebody as those layers do."""
    try:
        if path.stat().st_size > validate.MAX_PHOTO_BYTES:
            return False
        recipe = extract(path.read_bytes())
    except (OSError, InputError):
        return False
    return recipe.kind != "face" and not (recipe.photo and recipe.num_face_layers)
