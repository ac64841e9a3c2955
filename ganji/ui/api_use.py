"""The endpoints that turn a recipe into files for chats: stickers, animations, packs. Documented by their docstrings."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from typing import Any

from gradio import FileData

from ganji import validate
from ganji.recipe import PhotoCode, Recipe, from_json, from_text
from ganji.service import Service
from ganji.stickers import check_animated, get_platform
from ganji.ui import files
from ganji.workshop import File, PackFiles

ALL = "all"
NAMES = ("stickers", "pack")


def endpoints(service: Service) -> dict[str, Callable[..., Any]]:
    """The public functions by endpoint name."""

    def stickers(recipe: str, platform: str = ALL, move: str = "") -> FileData:
        """Make a finished emoji a sticker: background removed, in the size and below the limit of a chat platform.

        Args:
            recipe: what makes the emoji, such as kind=emoji&seed=7&psi=0.7; the PNG files of the other endpoints carry it.
                For a photo's emoji: the content of a saved recipe file that contains the face code.
            platform: png, slack, discord, discord-sticker, telegram, whatsapp or kakaotalk; or all.
            move: empty for a still; face for the way from a face to its emoji; or a slider's number, as /directions counts
                them, for its sweep. Of the platforms slack, discord, discord-sticker and whatsapp take animations.

        Returns:
            The file; for all a zip with every platform's, animations as GIF, APNG and WebP, and the credits.
        """
        read, code = read_recipe(recipe)
        move = validate.text("move", move, 20)
        workshop = service.workshop
        if platform != ALL:
            target = get_platform(platform)
            if move:
                check_animated(target)
        if platform == ALL:
            *_, done = workshop.everything(read, code, [move] if move else None)
            assert isinstance(done, File)
        elif move:
            *_, painted = workshop.frames(read, move, code)
            assert isinstance(painted, tuple)
            done = workshop.animated(*painted, f"ganji-{read.kind}", platform)
        else:
            done = workshop.still(read, platform, code)
        return as_file_data(done)

    def pack(recipe: str) -> tuple[FileData, FileData, FileData]:
        """Make a pack of emoji of one face: its own expression, neutral, smile, laugh, surprised, sad, eyes closed, looking
        left and right.

        Args:
            recipe: of the emoji to start from, as in /stickers.

        Returns:
            A zip with every emoji for every platform and the credits; the contact sheet (PNG); an animation through all of
            them (WebP).
        """
        read, code = read_recipe(recipe)
        workshop = service.workshop
        *_, done = workshop.pack_files(list(workshop.pack(read, code)), code)
        assert isinstance(done, PackFiles)
        return as_file_data(done.zip), as_file_data(done.sheet), as_file_data(done.animation)

    return {f.__name__: f for f in (stickers, pack)}


def read_recipe(text: Any) -> tuple[Recipe, PhotoCode | None]:
    """A recipe's text, or the content of a recipe file.

    Raises:
        InputError: neither.
    """
    if isinstance(text, str) and text.lstrip().startswith("{"):
        return from_json(text)
    return from_text(text), None


def as_file_data(file: File) -> FileData:
    """A file that the caller may fetch."""
    path = files.save_bytes(file.data, file.name)
    return FileData(path=str(path), orig_name=file.name, mime_type=mimetypes.guess_type(file.name)[0])
