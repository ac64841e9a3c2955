"""Where the emoji generator takes over from the face generator: a strip of cut points, and the strength."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gradio as gr

from ganji import validate
from ganji.blend import BlendPreset
from ganji.recipe import Recipe
from ganji.ui import components, parts, texts
from ganji.ui.shell import Page, Showing, Updates, picked_number
from ganji.ui.visit import Visit


class BlendPanel:
    """The strip and the strength, in a drawer."""

    def __init__(self, page: Page):
        self.page = page
        with gr.Accordion(texts.label("blend_heading"), open=False, visible=False, elem_id="blend") as self.box:
            gr.Markdown(texts.label("blend_hint"), elem_classes="hint")
            self.strip = components.board("blend-strip")
            self.show = gr.Button(texts.label("blend_show"), size="sm", elem_id="blend-show")
            self.strength = gr.Slider(
                0, 1, 1, step=0.05, label=texts.label("blend_strength"), elem_id="blend-strength", buttons=[]
            )
        page.add_view([self.box, self.strip, self.strength], self._view)

    def wire(self) -> None:
        """Declare its events."""
        self.page.on([self.show.click, self.box.expand], self._paint_strip, [], [self.strip], shows=False)
        self.page.on(self.strip.select, self._choose_cut, trigger_mode="multiple")
        self.page.on(self.strength.release, self._choose_strength, [self.strength], trigger_mode="always_last")

    def _view(self, showing: Showing) -> Updates:
        recipe, visit = showing.recipe, showing.visit
        if recipe.kind != "emojified":
            return {self.box: gr.update(visible=False)}
        visit.wish = replace(visit.wish, num_face_layers=recipe.num_face_layers, blend_strength=recipe.blend_strength)
        if visit.strip_of != _base(recipe):
            visit.strip_of, visit.strip = None, {}
        return {
            self.box: gr.update(visible=True),
            self.strip: self._tiles(visit, recipe, showing.lang),
            self.strength: recipe.blend_strength,
        }

    def _tiles(self, visit: Visit, recipe: Recipe, lang: str) -> str:
        chosen = (recipe.num_face_layers, recipe.blend_strength)
        tiles = [
            parts.Tile(
                str(k), preset_name(preset, lang), visit.strip.get(k, ""), is_named=True,
                is_chosen=(preset.cut.num_face_layers, preset.cut.strength) == chosen,
            )
            for k, preset in enumerate(self.page.service.studio.cuts)
        ]  # fmt: skip
        return parts.tiles(tiles, texts.say(lang, "blend_strip"), "strip cuts")

    def _paint_strip(self, visit: Visit, request: gr.Request) -> Iterator[Updates]:
        """The face on show at every cut point, one after the other."""
        lang, made = texts.language(request), visit.current
        if made is None or made.recipe.kind != "emojified":
            yield {self.strip: gr.skip()}
            return
        code, base = visit.code_of(made.recipe), made.recipe
        visit.strip_of, visit.strip = _base(base), {}
        for k, preset in enumerate(self.page.service.studio.cuts):
            painted = self.page.service.render(_cut(base, preset), code)
            if visit.strip_of != _base(base):  # another picture came on show
                return
            visit.strip[k] = parts.thumbnail(painted.picture)
            yield {self.strip: self._tiles(visit, base, lang)}

    def _choose_cut(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        presets = self.page.service.studio.cuts
        preset = presets[validate.integer("cut", picked_number(event), validate.Range(0, len(presets) - 1, 0))]
        if visit.current is None or visit.current.recipe.kind != "emojified":
            return {self.strip: gr.skip()}
        return self._show(visit, _cut(visit.current.recipe, preset), texts.language(request))

    def _choose_strength(self, visit: Visit, strength: float, request: gr.Request) -> Updates:
        if visit.current is None or visit.current.recipe.kind != "emojified":
            return {self.strip: gr.skip()}
        return self._show(visit, replace(visit.current.recipe, blend_strength=strength), texts.language(request))

    def _show(self, visit: Visit, recipe: Recipe, lang: str) -> Updates:
        return self.page.show_new(visit, lang, self.page.service.render(recipe, visit.code_of(recipe)))


def preset_name(preset: BlendPreset, lang: str) -> str:
    """What a cut point is called."""
    if preset.name == "emoji":
        return texts.say(lang, "blend_none")
    if preset.name.startswith("face to "):
        return texts.say(lang, "blend_px", px=preset.name.split()[2])
    return texts.say(lang, "blend_other", name=preset.name)


def _cut(recipe: Recipe, preset: BlendPreset) -> Recipe:
    return replace(recipe, num_face_layers=preset.cut.num_face_layers, blend_strength=preset.cut.strength)


def _base(recipe: Recipe) -> Recipe:
    """The recipe without its cut: what all pictures of a strip have in common."""
    return replace(recipe, num_face_layers=0, blend_strength=1.0)
