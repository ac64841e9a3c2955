"""Recipes: the link, the text and the files that make a picture again, and bringing one back from any of them."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from ganji import validate
from ganji.errors import InputError
from ganji.photo_headers import PNG_SIGNATURE
from ganji.png_recipe import extract
from ganji.recipe import PhotoCode, Recipe, from_json, from_text, to_json
from ganji.ui import components, files, texts
from ganji.ui.shell import Page, Showing, Updates
from ganji.ui.visit import Visit

COPY_LINK = """() => {
  const recipe = document.querySelector('#recipe-text .recipe')?.textContent ?? '';
  const link = `${location.origin}${location.pathname}?${recipe}`;
  navigator.clipboard?.writeText(link).catch(() => {});
}"""


class RecipePanel:
    """Keeping a recipe, and loading one."""

    def __init__(self, page: Page):
        self.page = page
        gr.Markdown(texts.label("recipe_heading"))
        self.text = components.board("recipe-text")
        gr.Markdown(texts.label("recipe_hint"), elem_classes="hint")
        with gr.Row(elem_classes="tools"):
            self.link = gr.Button(texts.label("recipe_link"), size="sm", elem_id="recipe-link", min_width=120)
            self.save = gr.Button(texts.label("recipe_save"), size="sm", elem_id="recipe-save", min_width=120)
            self.save_code = gr.Button(
                texts.label("recipe_save_code"), size="sm", elem_id="recipe-save-code", visible=False, min_width=300
            )
        self.file = gr.DownloadButton(visible="hidden", elem_id="recipe-file")
        gr.Markdown(texts.label("load_heading"))
        with gr.Row(elem_classes="fields"):
            self.from_text = gr.Textbox(
                label=texts.label("load_text"), placeholder="kind=emoji&seed=7&psi=0.7", elem_id="load-text", min_width=240, max_lines=3
            )  # fmt: skip
            self.from_file = gr.File(
                label=texts.label("load_file"), file_types=[".png", ".json"], type="filepath", height=150, elem_id="load-file", min_width=240
            )  # fmt: skip
        self.load = gr.Button(texts.label("load_button"), size="sm", elem_id="load-button")
        page.add_view([self.text, self.save_code], self._view)

    def wire(self) -> None:
        """Declare its events."""
        on = self.page.on
        self.link.click(None, js=COPY_LINK)
        for button, function in ((self.save, self._save_recipe), (self.save_code, self._save_code)):
            on(button.click, function, [], [self.file], shows=False).success(
                None, js="() => document.querySelector('#recipe-file')?.click()"
            )
        on([self.load.click, self.from_text.submit], self._load_text, [self.from_text])
        on(self.from_file.upload, self._load_file, [self.from_file])

    def _view(self, showing: Showing) -> Updates:
        return {
            self.text: _shown(showing.recipe, showing.lang),
            self.save_code: gr.update(visible=showing.recipe.photo is not None),
        }

    def _save_recipe(self, visit: Visit, request: gr.Request) -> Updates:
        recipe = _current(visit)
        return {self.file: str(files.save_bytes(to_json(recipe).encode(), "ganji-recipe.json"))}

    def _save_code(self, visit: Visit, request: gr.Request) -> Updates:
        recipe = _current(visit)
        data = to_json(recipe, visit.code_of(recipe)).encode()
        return {self.file: str(files.save_bytes(data, "ganji-recipe-with-face-code.json"))}

    def _load_text(self, visit: Visit, text: str, request: gr.Request) -> Updates:
        return self.restore(visit, from_text(text), None, texts.language(request))

    def _load_file(self, visit: Visit, path: Any, request: gr.Request) -> Updates:
        return self.restore(visit, *read_file(path), texts.language(request))

    def restore(self, visit: Visit, recipe: Recipe, code: PhotoCode | None, lang: str, source: str = "") -> Updates:
        """Put a recipe's picture on show.

        Raises:
            InputError: what the recipe asks for is not there; a photo's code is missing.
        """
        service = self.page.service
        painted = service.render(recipe, code or visit.code_of(recipe))
        other_weights = recipe.notice(service.studio.weights_id)
        notice = other_weights and texts.say(lang, "notice_weights", weights=recipe.weights)
        return self.page.show_new(visit, lang, painted, code, notice=notice, source=source)


def _shown(recipe: Recipe, lang: str) -> str:
    """The recipe's text, to be read and selected."""
    title = html.escape(texts.say(lang, "recipe_text"))
    text = html.escape(recipe.to_text())
    return (
        f'<p class="label" id="recipe-label">{title}</p><code class="recipe" role="textbox" aria-readonly="true" '
        f'tabindex="0" aria-labelledby="recipe-label">{text}</code>'
    )


def read_file(path: Any) -> tuple[Recipe, PhotoCode | None]:
    """The recipe of an uploaded PNG or JSON file.

    Raises:
        InputError: too large, or neither.
    """
    limit = validate.MAX_PHOTO_BYTES
    try:
        with Path(str(path)).open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError:
        raise InputError("This file is no longer here. Upload it again.") from None
    if len(data) > limit:
        raise InputError(f"This file is larger than {limit >> 20} MB, so it is no recipe of ours.")
    return (extract(data), None) if data.startswith(PNG_SIGNATURE) else from_json(data)


def _current(visit: Visit) -> Recipe:
    if visit.current is None:
        raise InputError("There is no picture yet.")
    return visit.current.recipe
