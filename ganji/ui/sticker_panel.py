"""Stickers: the picture on show for one chat platform, or everything as one zip."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from ganji.errors import InputError
from ganji.recipe import Recipe
from ganji.stickers import PLATFORMS
from ganji.ui import components, files, parts, texts
from ganji.ui.handlers import FILE_JOB
from ganji.ui.shell import Page, Updates, picked
from ganji.ui.visit import Visit
from ganji.workshop import File

MIME = {"png": "png", "webp": "webp", "gif": "gif"}


class StickerPanel:
    """One button for each platform, and one for all."""

    def __init__(self, page: Page):
        self.page = page
        gr.Markdown(texts.label("stickers_heading"))
        gr.Markdown(texts.label("stickers_hint"), elem_classes="hint")
        self.platforms = components.board("platforms")
        self.result = components.board("sticker-result", elem_classes="maybe")
        self.everything = gr.Button(texts.label("stickers_all"), variant="primary", elem_id="stickers-all")
        self.file = gr.DownloadButton(visible="hidden", elem_id="sticker-file")
        page.add_view([self.platforms], lambda showing: {self.platforms: platform_tiles(showing.lang)})

    def wire(self) -> None:
        """Declare its events; each ends with a download."""
        for made in (
            self.page.on(
                self.platforms.select, self._save_sticker, [], [self.result, self.file], shows=False, **FILE_JOB
            ),
            self.page.on(
                self.everything.click, self._save_everything, [], [self.result, self.file], shows=False, **FILE_JOB
            ),
        ):
            made.success(None, js=start_download("sticker-file"))

    def _save_sticker(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        recipe, lang = on_show(visit), texts.language(request)
        platform = picked(event)
        file = self.page.service.workshop.still(recipe, platform, visit.code_of(recipe))
        return {self.result: made_file(file, platform_name(platform, lang), lang), self.file: saved(file)}

    def _save_everything(self, visit: Visit, request: gr.Request) -> Iterator[Updates]:
        recipe, lang = on_show(visit), texts.language(request)
        yield {self.result: parts.progress(texts.say(lang, "packing"), 0)}
        for item in self.page.service.workshop.everything(recipe, visit.code_of(recipe)):
            if isinstance(item, File):
                note = texts.say(lang, "file_made", name=item.name, size=size_of(item, lang))
                yield {self.result: parts.message(note), self.file: saved(item)}
            else:
                yield {self.result: parts.progress(texts.say(lang, "packing"), item.done / item.total)}


def platform_tiles(lang: str) -> str:
    """A button for every platform."""
    tiles = [parts.Tile(name, platform_name(name, lang), is_named=True, is_chosen=None) for name in PLATFORMS]
    return parts.tiles(tiles, texts.say(lang, "stickers_for"), "words")


def platform_name(name: str, lang: str) -> str:
    """What a platform's sticker is called."""
    key = f"platform_{name}"
    return texts.say(lang, key) if texts.has(key) else PLATFORMS[name].title


def on_show(visit: Visit) -> Recipe:
    """The recipe of the picture on show.

    Raises:
        InputError: there is none.
    """
    if visit.current is None:
        raise InputError("There is no picture yet.")
    return visit.current.recipe


def saved(file: File) -> str:
    """Where a file lies that a download button offers."""
    return str(files.save_bytes(file.data, file.name))


def made_file(file: File, title: str, lang: str) -> str:
    """A sticker as it will be seen, on a chequered ground, and how large it is."""
    url = parts.data_url(file.data, MIME[file.name.rpartition(".")[2]])
    note = texts.say(lang, "file_made", name=file.name, size=size_of(file, lang))
    return f'<div class="chequered">{parts.image(url, title, 128)}</div>' + parts.message(note)


def size_of(file: File, lang: str) -> str:
    """A file's size for people."""
    kilobytes = len(file.data) / 1000
    return f"{kilobytes / 1000:.1f} MB" if kilobytes >= 1000 else f"{kilobytes:.0f} KB"


def start_download(elem_id: str) -> str:
    """A script that presses a hidden download button once its file has arrived."""
    return f"() => setTimeout(() => document.querySelector('#{elem_id}')?.click(), 60)"
