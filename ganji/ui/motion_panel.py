"""Emoji in motion: a slider's sweep, or the way from the face to its emoji, seen at once and saved for any platform."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
from PIL import Image

from ganji import animation
from ganji.recipe import Recipe
from ganji.stickers import PLATFORMS, check_animated, get_platform
from ganji.ui import components, parts, texts
from ganji.ui.handlers import FILE_JOB
from ganji.ui.shell import Page, Showing, Updates, picked
from ganji.ui.sticker_panel import made_file, on_show, platform_name, saved, start_download
from ganji.ui.tab_customize import offered, slider_name
from ganji.ui.visit import Visit
from ganji.workshop import FACE

PREVIEW = "webp"
KIND_NAMES = {"gif": "GIF", "apng": "APNG", "webp": "WebP"}


class MotionPanel:
    """What moves, and what it is saved as."""

    def __init__(self, page: Page):
        self.page = page
        gr.Markdown(texts.label("motion_heading"))
        gr.Markdown(texts.label("motion_hint"), elem_classes="hint")
        self.movements = components.board("movements")
        self.preview = components.board("motion-preview", elem_classes="maybe")
        self.formats = components.board("motion-formats", elem_classes="maybe")
        self.file = gr.DownloadButton(visible="hidden", elem_id="motion-file")
        page.add_view([self.movements, self.preview, self.formats], self._view)

    def wire(self) -> None:
        """Declare its events."""
        outputs = [self.movements, self.preview, self.formats]
        self.page.on(self.movements.select, self._show_motion, [], outputs, shows=False, **FILE_JOB)
        made = self.page.on(
            self.formats.select, self._save_motion, [], [self.preview, self.file], shows=False, **FILE_JOB
        )
        made.success(None, js=start_download("motion-file"))

    def _view(self, showing: Showing) -> Updates:
        """Another picture: what could move in it; what moved before is gone."""
        showing.visit.movement = ""
        return {
            self.movements: self._tiles(showing.recipe, "", showing.lang),
            self.preview: "",
            self.formats: "",
        }

    def _tiles(self, recipe: Recipe, chosen: str, lang: str) -> str:
        names = {FACE: texts.say(lang, "motion_face")} if recipe.kind == "emojified" else {}
        directions = self.page.service.studio.directions.get(recipe.kind)
        if directions is not None:
            names |= {str(slider.index): slider_name(slider.name, lang) for slider in offered(directions)}
        if not names:
            return parts.empty(texts.say(lang, "motion_none"))
        tiles = [parts.Tile(pick, name, is_named=True, is_chosen=pick == chosen) for pick, name in names.items()]
        return parts.tiles(tiles, texts.say(lang, "motion_what"), "words")

    def _frames(self, visit: Visit, recipe: Recipe, lang: str) -> Iterator[Updates | tuple]:
        """Progress, and at the end the frames of the chosen movement."""
        for item in self.page.service.workshop.frames(recipe, visit.movement, visit.code_of(recipe)):
            if isinstance(item, tuple):
                yield item
            else:
                yield {self.preview: parts.progress(texts.say(lang, "painting"), item.done / item.total)}

    def _show_motion(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        recipe, lang = on_show(visit), texts.language(request)
        visit.movement = picked(event)
        yield {self.movements: self._tiles(recipe, visit.movement, lang), self.formats: ""}
        for item in self._frames(visit, recipe, lang):
            if not isinstance(item, tuple):
                yield item
                continue
            frames, holds = item
            file = self.page.service.workshop.animated(frames, holds, "preview", PREVIEW)
            if on_show(visit) != recipe:  # another picture came on show
                return
            url = parts.data_url(file.data, PREVIEW)
            picture = parts.image(url, texts.say(lang, "motion_alt"), _side(frames))
            yield {self.preview: f'<div class="chequered">{picture}</div>', self.formats: self._formats(lang)}

    @staticmethod
    def _formats(lang: str) -> str:
        able = {name: platform_name(name, lang) for name, one in PLATFORMS.items() if one.animated}
        tiles = [parts.Tile(k, name, is_named=True, is_chosen=None) for k, name in {**KIND_NAMES, **able}.items()]
        title = texts.say(lang, "motion_save")
        return f'<p class="label">{title}</p>' + parts.tiles(tiles, title, "words")

    def _save_motion(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        recipe, lang, kind = on_show(visit), texts.language(request), picked(event)
        title = (
            KIND_NAMES[kind]
            if kind in animation.KINDS
            else platform_name(check_animated(get_platform(kind)).name, lang)
        )
        for item in self._frames(visit, recipe, lang):
            if not isinstance(item, tuple):
                yield item
                continue
            frames, holds = item
            file = self.page.service.workshop.animated(frames, holds, f"ganji-{recipe.kind}", kind)
            yield {self.preview: made_file(file, title, lang), self.file: saved(file)}


def _side(frames: list[Image.Image]) -> int:
    return min(192, frames[0].width)
