"""Random emoji: a grid by number, of which one is chosen to go on with."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import gradio as gr

from ganji import images, validate
from ganji.recipe import Recipe
from ganji.ui import components, files, parts, showcase, texts
from ganji.ui.shell import Page, Updates, picked_number
from ganji.ui.visit import GridShown, Visit

COLUMNS, COUNT = 5, 20
PER_UPDATE = 4  # pictures between two updates of the page
SHEET_GAP = 8  # px


def surprise() -> int:
    """A seed that nobody has chosen, with a whole grid above it."""
    return secrets.randbelow(int(validate.SEED.high) - COUNT)


class RandomTab:
    """The grid and its controls."""

    def __init__(self, page: Page):
        self.page = page
        gr.Markdown(texts.label("random_heading"))
        self.surprise = gr.Button(texts.label("random_surprise"), variant="primary", elem_id="grid-surprise")
        self.grid = components.board("grid")
        gr.Markdown(texts.label("random_pick_hint"), elem_classes="hint")
        with gr.Row(elem_classes="fields"):
            self.seed = gr.Number(
                0, label=texts.label("random_seed"), precision=0, minimum=0, maximum=validate.SEED.high, elem_id="grid-seed", min_width=150
            )  # fmt: skip
            self.psi = gr.Slider(
                0, 1, validate.TRUNCATION_PSI.default, step=0.05, label=texts.label("random_psi"), info=texts.label("random_psi_info"),
                elem_id="grid-psi", min_width=180, buttons=[],
            )  # fmt: skip
        with gr.Row(elem_classes="tools"):
            self.show = gr.Button(texts.label("random_show"), size="sm", elem_id="grid-show", min_width=100)
            self.more = gr.Button(texts.label("random_more"), size="sm", elem_id="grid-more", min_width=100)
            self.sheet = gr.Button(texts.label("random_sheet"), size="sm", elem_id="grid-sheet", min_width=100)
        self.file = gr.DownloadButton(visible="hidden", elem_id="grid-file")

    def wire(self) -> None:
        """Declare its events."""
        on, outputs = self.page.on, [self.grid, self.seed]
        on(self.surprise.click, self._surprise_grid, [self.psi], outputs, shows=False)
        on([self.show.click, self.seed.submit], self._show_grid, [self.seed, self.psi], outputs, shows=False)
        on(self.psi.release, self._vary_grid, [self.seed, self.psi], outputs, shows=False, trigger_mode="always_last")
        on(self.more.click, self._more_grid, [self.seed, self.psi], outputs, shows=False)
        on(self.grid.select, self._pick, trigger_mode="multiple")
        made = on(self.sheet.click, self._save_sheet, outputs=[self.file], shows=False)
        made.success(None, js="() => document.querySelector('#grid-file')?.click()")

    def first_grid(self, visit: Visit, lang: str) -> Updates:
        """The grid that everybody sees first."""
        thumbnails = self.page.showcase.grid()
        visit.grid = GridShown(showcase.GRID_SEED, validate.TRUNCATION_PSI.default, list(thumbnails))
        return {self.grid: self._board(visit.grid, lang)}

    @staticmethod
    def _board(grid: GridShown, lang: str) -> str:
        """The grid as far as it is painted, with places for the rest."""
        tiles = [
            parts.Tile(str(grid.seed + k), texts.say(lang, "name_emoji", seed=grid.seed + k), url, is_chosen=None)
            for k, url in enumerate(grid.thumbnails)
        ]
        waiting = '<div class="tile wait"></div>' * (COUNT - len(tiles))
        board = parts.tiles(tiles, texts.say(lang, "random_grid"), "grid")
        return board.removesuffix("</div>") + waiting + "</div>"

    def _surprise_grid(self, visit: Visit, psi: float, request: gr.Request) -> Iterator[Updates]:
        yield from self._paint(visit, surprise(), psi, texts.language(request))

    def _show_grid(self, visit: Visit, seed: float, psi: float, request: gr.Request) -> Iterator[Updates]:
        yield from self._paint(visit, seed, psi, texts.language(request))

    def _vary_grid(self, visit: Visit, seed: float, psi: float, request: gr.Request) -> Iterator[Updates]:
        yield from self._paint(visit, seed, psi, texts.language(request))

    def _more_grid(self, visit: Visit, seed: float, psi: float, request: gr.Request) -> Iterator[Updates]:
        first = validate.integer("seed", seed, validate.SEED)
        yield from self._paint(
            visit, min(first + COUNT, int(validate.SEED.high) - COUNT + 1), psi, texts.language(request)
        )

    def _paint(self, visit: Visit, seed: float, psi: float, lang: str) -> Iterator[Updates]:
        """The grid row by row; the one before stays until there is something to show."""
        first = validate.integer("seed", seed, validate.SEED)
        count = min(COUNT, int(validate.SEED.high) - first + 1)
        grid = GridShown(first, validate.number("truncation_psi", psi, validate.TRUNCATION_PSI))
        for k, painted in enumerate(self.page.service.generate(first, count, psi)):
            visit.grid = grid
            grid.thumbnails.append(parts.thumbnail(painted.picture, showcase.GRID_THUMBNAIL))
            if k % PER_UPDATE == PER_UPDATE - 1 or k in (0, count - 1):
                yield {self.seed: first, self.grid: self._board(grid, lang)}

    def _pick(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        recipe = Recipe("emoji", seed=picked_number(event), truncation_psi=visit.grid.truncation_psi)
        return self.page.show_new(visit, texts.language(request), self.page.service.render(recipe))

    def _save_sheet(self, visit: Visit, request: gr.Request) -> Updates:
        grid = visit.grid
        count = max(1, len(grid.thumbnails))
        pictures = [painted.picture for painted in self.page.service.generate(grid.seed, count, grid.truncation_psi)]
        sheet = images.grid(pictures, COLUMNS, SHEET_GAP)
        return {self.file: str(files.save_picture(sheet, name=f"ganji-{grid.seed}-{grid.seed + count - 1}"))}
