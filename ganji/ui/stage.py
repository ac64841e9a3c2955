"""The picture on show, always in view: undo and redo, saving it, and the strip of everything made in this visit."""

from __future__ import annotations

import gradio as gr

from ganji.ui import components, parts, texts
from ganji.ui.shell import Page, Showing, Updates, name_of, picked_number
from ganji.ui.visit import Visit


class Stage:
    """The card with the picture."""

    def __init__(self, page: Page):
        self.page = page
        with gr.Column(scale=2, min_width=300, elem_id="stage"):
            self.picture = components.stage("picture")
            with gr.Row(elem_classes="tools"):
                self.undo = gr.Button(texts.label("undo"), size="sm", elem_id="undo", interactive=False, min_width=60)
                self.redo = gr.Button(texts.label("redo"), size="sm", elem_id="redo", interactive=False, min_width=60)
                self.save = gr.DownloadButton(
                    texts.label("download_png"), size="sm", elem_id="save-png", interactive=False, min_width=60
                )
            with gr.Row(elem_classes="onward"):
                self.to_customize = gr.Button(texts.label("go_customize"), elem_id="to-customize", min_width=100)
                self.to_use = gr.Button(texts.label("go_use"), variant="primary", elem_id="to-use", min_width=100)
            self.history = components.board("history")
        page.add_view([self.picture, self.undo, self.redo, self.save, self.history], self._view)

    def wire(self) -> None:
        """Declare its events."""
        self.page.on(self.undo.click, self._undo)
        self.page.on(self.redo.click, self._redo)
        self.page.on(self.history.select, self._choose, trigger_mode="multiple")

    def _view(self, showing: Showing) -> Updates:
        visit = showing.visit
        is_first = len(visit.made) == 1
        recipe = "" if is_first and showing.source == "start" else showing.recipe.to_text()
        return {
            self.picture: parts.stage(showing.url, showing.name, recipe, showing.notice),
            self.undo: gr.update(interactive=visit.neighbour(-1) is not None),
            self.redo: gr.update(interactive=visit.neighbour(1) is not None),
            self.save: gr.update(value=str(showing.file), interactive=True),
            self.history: self._strip(showing),
        }

    @staticmethod
    def _strip(showing: Showing) -> str:
        """The history, newest first, so that a new picture is seen without scrolling."""
        lang, current = showing.lang, showing.made.number
        tiles = [
            parts.Tile(str(m.number), name_of(m.recipe, lang), m.thumbnail, is_chosen=m.number == current)
            for m in reversed(showing.visit.made)
        ]
        title = texts.say(lang, "history")
        return f'<p class="label" title="{texts.say(lang, "history_hint")}">{title}</p>' + parts.tiles(
            tiles, title, "strip"
        )

    def _undo(self, visit: Visit, request: gr.Request) -> Updates:
        return self.page.show_again(visit, texts.language(request), visit.neighbour(-1))

    def _redo(self, visit: Visit, request: gr.Request) -> Updates:
        return self.page.show_again(visit, texts.language(request), visit.neighbour(1))

    def _choose(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        number = picked_number(event)
        found = next((made for made in visit.made if made.number == number), None)
        return self.page.show_again(visit, texts.language(request), found)
