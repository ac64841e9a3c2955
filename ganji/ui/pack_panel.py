"""An emoji pack of the picture on show: its expressions one by one, each of which can be gone on with; then its files."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from ganji import validate
from ganji.expressions_pack import EXPRESSIONS
from ganji.recipe import Recipe
from ganji.ui import components, parts, texts
from ganji.ui.handlers import FILE_JOB
from ganji.ui.shell import Page, Updates, picked_number
from ganji.ui.sticker_panel import on_show, saved
from ganji.ui.visit import PackShown, Visit
from ganji.workshop import Member, PackFiles

TILE = 144  # px


class PackPanel:
    """The button that makes a pack, the pack, and its downloads."""

    def __init__(self, page: Page):
        self.page = page
        gr.Markdown(texts.label("pack_heading"))
        gr.Markdown(texts.label("pack_hint"), elem_classes="hint")
        self.make = gr.Button(texts.label("pack_make"), variant="primary", elem_id="pack-make")
        self.board = components.board("pack", elem_classes="maybe")
        self.news = components.board("pack-news", elem_classes="maybe")
        with gr.Row(elem_classes="tools", visible=False, elem_id="pack-files") as self.files:
            self.zip, self.sheet, self.animation = (
                gr.DownloadButton(texts.label(f"pack_{what}"), size="sm", elem_id=f"pack-{what}", min_width=110)
                for what in ("zip", "sheet", "animation")
            )

    def wire(self) -> None:
        """Declare its events."""
        outputs = [self.board, self.news, self.files, self.zip, self.sheet, self.animation, self.make]
        self.page.on(self.make.click, self._make_pack, [], outputs, shows=False, **FILE_JOB, trigger_mode="once")
        self.page.on(self.board.select, self._choose_member, trigger_mode="multiple")

    def _make_pack(self, visit: Visit, request: gr.Request) -> Iterator[Updates]:
        recipe, lang = on_show(visit), texts.language(request)
        code, workshop = visit.code_of(recipe), self.page.service.workshop
        visit.pack = shown = PackShown()
        yield {self.files: gr.update(visible=False), self.board: self._tiles(shown, lang), **self._news(0, lang)}
        members: list[Member] = []
        for member in workshop.pack(recipe, code):
            members.append(member)
            shown.recipes.append(member.painted.recipe)
            shown.thumbnails.append(parts.thumbnail(member.painted.picture, TILE))
            yield {self.board: self._tiles(shown, lang), **self._news(0.4 * len(members) / len(EXPRESSIONS), lang)}
        for item in workshop.pack_files(members, code):
            if isinstance(item, PackFiles):
                yield self._finished(item, lang)
            else:
                yield self._news(0.4 + 0.6 * item.done / item.total, lang)

    def _news(self, share: float, lang: str) -> Updates:
        return {self.news: parts.progress(texts.say(lang, "pack_making"), share)}

    def _finished(self, made: PackFiles, lang: str) -> Updates:
        moving = parts.image(parts.data_url(made.animation.data, "webp"), texts.say(lang, "pack_alt"), 128)
        return {
            self.news: f'<div class="chequered">{moving}</div>' + parts.message(texts.say(lang, "pack_done")),
            self.files: gr.update(visible=True),
            self.zip: saved(made.zip),
            self.sheet: saved(made.sheet),
            self.animation: saved(made.animation),
        }

    @staticmethod
    def _tiles(shown: PackShown, lang: str) -> str:
        """The expressions that are painted, and places for the rest."""
        tiles = [
            parts.Tile(str(k), expression_name(one.label, lang), url, is_named=True, is_chosen=None)
            for k, (one, url) in enumerate(zip(EXPRESSIONS, shown.thumbnails))
        ]
        waiting = '<div class="tile wait"></div>' * (len(EXPRESSIONS) - len(tiles))
        board = parts.tiles(tiles, texts.say(lang, "pack_region"), "grid pack")
        return board.removesuffix("</div>") + waiting + "</div>"

    def _choose_member(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        """Go on with one of the pack."""
        recipes = visit.pack.recipes
        number = validate.integer("The choice", picked_number(event), validate.Range(0, max(0, len(recipes) - 1), 0))
        if not recipes:
            return {self.board: gr.skip()}
        recipe: Recipe = recipes[number]
        painted = self.page.service.render(recipe, visit.code_of(recipe))
        return self.page.show_new(visit, texts.language(request), painted)


def expression_name(label: str, lang: str) -> str:
    """What an expression of a pack is called."""
    key = f"expression_{label}"
    return texts.say(lang, key) if texts.has(key) else label
