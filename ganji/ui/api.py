"""The typed endpoints: what `gradio_client`, curl and MCP clients call. Untranslated, documented by their docstrings.

Every function validates what it gets (Gradio does not: NaN passes its sliders). `publish` wraps it: a GanjiError becomes a
gr.Error with its sentence and code. docs/api.md shows how to call them.
"""

from __future__ import annotations

import functools
import inspect
import os
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import FileData

from ganji import __version__, validate
from ganji.align import largest_note
from ganji.errors import InputError
from ganji.photos import open_upload
from ganji.results import Painted
from ganji.service import FoundFace, Progress, Service
from ganji.ui import api_use, files
from ganji.ui.handlers import FILE_JOB, told


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
        return [_file(painted) for painted in service.generate(seed, count, truncation_psi)]

    def customize(seed: int, strengths: list[float]) -> FileData:
        """Move a random emoji along its directions; /directions names them.

        Args:
            seed: of the emoji, as in /generate.
            strengths: one number from -10 to 10 per direction, in order; missing ones are 0.

        Returns:
            A PNG file, 256 x 256 pixels.
        """
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
        (done,) = _emojify_photo(service, photo, mode, cut, strength, style, with_news=False)
        return done["aligned"], done["reconstruction"], done["emoji"], done["report"]

    def project_photo(
        photo: FileData, mode: str = "fast", cut: int = 0, strength: float = 1.0, style: str = "default"
    ) -> Iterator[dict]:
        """The same as emojify_photo, as a stream: news of the search while it runs, the pictures at its end.

        Args:
            photo: JPEG, PNG, WebP, GIF or AVIF with a face seen from the front.
            mode: fast (seconds) or portrait (a faithful reconstruction, up to half a minute).
            cut: how many layers come from the face generator; 0 gives a pure emoji.
            strength: 0 to 1: how much of the emoji generator is in the other layers.
            style: a swatch such as noto-yellow; face; or seed:N.

        Returns:
            Objects whose "state" is waiting (position, seconds until the turn comes), running (step, total, lpips, seconds,
            and now and then a preview, a PNG file) or done (aligned, reconstruction, emoji, report, as emojify_photo has them).
        """
        yield from _emojify_photo(service, photo, mode, cut, strength, style)

    def directions() -> dict:
        """The sliders of random emoji ("emoji") and of emojified faces ("emojified"), with their names, and their range."""
        return service.directions()

    def version() -> dict:
        """Which package, bundle, weight files (sha256 by role) and device answer here, the styles, and the limits of values."""
        studio = service.studio
        files_of = studio.store.manifest.files
        return {
            "ganji": __version__,
            "bundle": studio.bundle.name,
            "weights": studio.weights_id,
            "digests": {role: files_of[name].sha256 for role, name in studio.bundle.roles.items()},
            "device": str(studio.device),
            "styles": list(studio.styles),
            "limits": {name: [limit.low, limit.high] for name, limit in validate.LIMITS.items()},
        }

    own = (generate, customize, emojify, emojify_photo, project_photo, directions, version)
    return {f.__name__: f for f in own} | api_use.endpoints(service)


def _emojify_photo(
    service: Service, photo: FileData, mode: str, cut: int, strength: float, style: str, *, with_news: bool = True
) -> Iterator[dict]:
    """What /project_photo yields."""
    service.studio.emojified(seed=0, num_face_layers=cut, blend_strength=strength, style=style)
    validate.choice("mode", mode, ("fast", "portrait"))
    with service.admission.reserved_place():
        aligned = service.align(open_upload(_path(photo), Path(os.environ[files.FOLDER])))
    found = None
    for item in service.find_code(aligned.picture, mode):
        if isinstance(item, FoundFace):
            found = item
        elif with_news:
            yield _news(item)
    assert found is not None
    emoji = service.emojify_code(found.projected.code, cut, strength, style)
    yield {
        "state": "done",
        "aligned": _file(Painted(aligned.picture, emoji.recipe), plain=True),
        "reconstruction": _file(Painted(found.projected.reconstruction, emoji.recipe), plain=True),
        "emoji": _file(emoji),
        "report": report(found, largest_note(aligned.num_faces)),
    }


def _news(progress: Progress) -> dict[str, Any]:
    """A step of a search, for programs."""
    seconds = round(progress.seconds, 2)
    if progress.position:
        return {"state": "waiting", "position": progress.position, "seconds": seconds}
    news = {"state": "running", "step": progress.done, "total": progress.total, "seconds": seconds}
    news["lpips"] = None if progress.distance is None else round(progress.distance, 4)
    if progress.preview is not None:
        path = files.save_picture(progress.preview)
        news["preview"] = FileData(path=str(path), orig_name=path.name, mime_type="image/png")
    return news


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
        gr.api(_public(name, function), api_name=name, **(FILE_JOB if name in api_use.NAMES else {}))


def _public(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint that counts its calls and says what went wrong, with the types that Gradio publishes.

    Gradio reads the return type from the signature, where it must be a type and no text, and of a stream wants the items'.
    """
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with told(name, with_code=True):
                yield from function(*args, **kwargs)
    else:

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with told(name, with_code=True):
                return function(*args, **kwargs)

    hints = typing.get_type_hints(function)
    returned = hints["return"]
    if typing.get_origin(returned) is Iterator:
        (returned,) = typing.get_args(returned)
    run.__signature__ = inspect.signature(function).replace(return_annotation=returned)  # type: ignore[attr-defined]
    return run


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
