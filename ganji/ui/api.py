"""The typed endpoints: what `gradio_client`, curl and MCP clients call. Untranslated, documented by their docstrings.

Every function validates what it gets (Gradio does not: NaN passes its sliders) and raises gr.Error with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio import FileData

from ganji import __version__, validate
from ganji.align import largest_note
from ganji.errors import GanjiError, InputError
from ganji.photos import open_upload
from ganji.service import FoundFace, Service
from ganji.studio import Painted
from ganji.ui import files


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn our errors into gr.Error, with their code at the end; anything else is a bug and stays one."""
    try:
        yield
    except GanjiError as error:
        raise gr.Error(f"{error} [{error.code}]", print_exception=False) from error


def endpoints(service: Service) -> dict[str, Callable[..., Any]]:
    """The public functions by endpoint name."""

    def generate(seed: int = 0, count: int = 20, truncation_psi: float = 0.7) -> list[FileData]:
        """Make random emoji. Picture i is the emoji of seed + i, so the same numbers always give the same pictures.

        Args:
            seed: whole number from 0 to 4294967295.
            count: how many, 1 to 20.
            truncation_psi: 0 (plain) to 1 (varied); 0.7 is usual.

        Returns:
            PNG files, 256 x 256 pixels, each with its recipe in a text chunk.
        """
        with plain_errors():
            return [_file(painted) for painted in service.generate(seed, count, truncation_psi)]

    def customize(seed: int, strengths: list[float]) -> FileData:
        """Move a random emoji along its directions; /directions names them.

        Args:
            seed: of the emoji, as in /generate.
            strengths: one number from -10 to 10 per direction, in order; missing ones are 0.

        Returns:
            A PNG file, 256 x 256 pixels.
        """
        with plain_errors():
            return _file(service.customize(seed, strengths))

    def emojify(seed: int, cut: int = 0, strength: float = 1.0, style: str = "default") -> tuple[FileData, FileData]:
        """Make a random face, and the emoji that shows its expression.

        Args:
            seed: of the face, whole number from 0 to 4294967295.
            cut: how many layers come from the face generator; 0 gives a pure emoji.
            strength: 0 to 1: how much of the emoji generator is in the other layers.
            style: a swatch such as noto-yellow, twemoji-blue; face (chosen by the face itself); or seed:N.

        Returns:
            The face and the emoji, PNG files.
        """
        with plain_errors():
            face, emoji = service.emojify(seed, cut, strength, style)
            return _file(face), _file(emoji)

    def emojify_photo(
        photo: FileData, mode: str = "fast", cut: int = 0, strength: float = 1.0, style: str = "default"
    ) -> tuple[FileData, FileData, FileData, dict]:
        """Make an emoji that shows the expression of the face in a photo. The photo is not kept.

        Args:
            photo: JPEG, PNG, WebP, GIF or AVIF with a face seen from the front.
            mode: fast (seconds) or portrait (a faithful reconstruction, up to half a minute).
            cut: how many layers come from the face generator; 0 gives a pure emoji.
            strength: 0 to 1: how much of the emoji generator is in the other layers.
            style: a swatch such as noto-yellow; face; or seed:N.

        Returns:
            The aligned photo, its reconstruction, the emoji (PNG files), and a report: verdict, lpips, pixel_error, steps,
            seconds, device, note.
        """
        with plain_errors():
            service.studio.emojified(seed=0, num_face_layers=cut, blend_strength=strength, style=style)
            validate.choice("mode", mode, ("fast", "portrait"))
            aligned = service.align(open_upload(_path(photo)))
            found = None
            for item in service.find_code(aligned.picture, mode):
                found = item
            assert isinstance(found, FoundFace)
            emoji = service.emojify_code(found.projected.code, cut, strength, style)
            return (
                _file(Painted(aligned.picture, emoji.recipe), plain=True),
                _file(Painted(found.projected.reconstruction, emoji.recipe), plain=True),
                _file(emoji),
                report(found, largest_note(aligned.num_faces)),
            )

    def directions() -> dict:
        """The sliders of random emoji ("emoji") and of emojified faces ("emojified"), with their names, and their range."""
        with plain_errors():
            return service.directions()

    def version() -> dict:
        """Which package, weights and device answer here, and the limits of every value."""
        with plain_errors():
            studio = service.studio
            limits = {n: [v.low, v.high] for n, v in vars(validate).items() if isinstance(v, validate.Range)}
            return {"ganji": __version__, "weights": studio.weights_id, "device": str(studio.device), "limits": limits}

    return {f.__name__: f for f in (generate, customize, emojify, emojify_photo, directions, version)}


def report(found: FoundFace, note: str = "") -> dict[str, Any]:
    """What /emojify_photo says of a projection."""
    p = found.projected
    return {
        "verdict": p.verdict,
        "lpips": round(p.distance, 4),
        "pixel_error": round(p.pixel_error, 4),
        "steps": p.steps,
        "seconds": round(p.seconds, 2),
        "device": p.device,
        "mode": p.mode,
        "note": note,
        "from_cache": found.from_cache,
    }


def publish(service: Service) -> None:
    """Declare the endpoints; to be called inside gr.Blocks."""
    for name, function in endpoints(service).items():
        gr.api(function, api_name=name)


def _file(painted: Painted, *, plain: bool = False) -> FileData:
    """A result as a file; `plain` ones, which show a photo, carry no recipe."""
    path = files.save_picture(painted.picture) if plain else files.save(painted)
    return FileData(path=str(path), orig_name=path.name, mime_type="image/png")


def _path(photo: Any) -> str:
    """Where Gradio put an upload.

    Raises:
        InputError: no file was given.
    """
    path = photo.get("path") if isinstance(photo, dict) else getattr(photo, "path", None)
    if not path:
        raise InputError("Send the photo as a file.")
    return path
