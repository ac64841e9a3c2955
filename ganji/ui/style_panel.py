"""How an emojified face is drawn: drawing set and colour, the face's own choice, or like another emoji."""

from __future__ import annotations

import html
from dataclasses import replace

import gradio as gr

from ganji.recipe import DEFAULT_STYLE
from ganji.ui import components, parts, texts
from ganji.ui.shell import Page, Showing, Updates, picked
from ganji.ui.visit import Visit

COLOURS = {
    "yellow": "#ffcc33", "orange": "#ff9a3d", "red": "#f4574d", "pink": "#ff7fb0",
    "purple": "#a77bf3", "blue": "#4f9df7", "teal": "#35c4bd", "green": "#63c74d",
}  # fmt: skip
LIKE_COUNT = 10  # emoji of the grid that are offered


class StylePanel:
    """The swatches."""

    def __init__(self, page: Page):
        self.page = page
        gr.Markdown(texts.label("style_heading"))
        self.board = components.board("styles")
        with gr.Accordion(texts.label("style_like"), open=False, elem_id="like") as self.box:
            self.like = components.board("like-board")
        page.add_view([self.board, self.like], self._view)

    def wire(self) -> None:
        """Declare its events."""
        self.page.on(self.board.select, self._choose_style, [], [self.board], trigger_mode="multiple")
        self.page.on(self.like.select, self._choose_like, [], [self.like], trigger_mode="multiple")
        self.page.on(self.box.expand, self._offer_like, [], [self.like], shows=False)

    def _view(self, showing: Showing) -> Updates:
        visit, recipe = showing.visit, showing.recipe
        if recipe.kind == "emojified":
            visit.wish = replace(visit.wish, style=recipe.style)
        return self.boards(visit, showing.lang)

    def boards(self, visit: Visit, lang: str) -> Updates:
        """The swatches with the present wish marked."""
        sets, colours = self._options()
        chosen_set, chosen_colour = self._split(visit.wish.style)
        samples = self.page.showcase.samples()
        made = visit.current
        hint = "" if made and made.recipe.kind == "emojified" else parts.message(texts.say(lang, "style_later"))
        groups = [hint]
        if sets:
            tiles = [
                parts.Tile(
                    f"set:{s}",
                    _named(f"set_{s}", s, lang),
                    samples.get(s, ""),
                    is_named=True,
                    is_chosen=s == chosen_set,
                )
                for s in sets
            ]
            groups.append(_group(tiles, texts.say(lang, "style_sets"), "sets"))
        tiles = [
            parts.Tile(
                f"colour:{c}",
                _named(f"colour_{c}", c, lang),
                colour=COLOURS.get(c, "#999"),
                is_chosen=c == chosen_colour,
            )
            for c in colours
        ]
        face = parts.Tile("face", texts.say(lang, "style_face"), is_named=True, is_chosen=visit.wish.style == "face")
        groups.append(_group([*tiles, face], texts.say(lang, "style_colours"), "swatches"))
        return {self.board: "".join(groups)}

    def _options(self) -> tuple[list[str], list[str]]:
        """The names of drawing sets and colours, in the bundle's order."""
        pairs = [style.rpartition("-") for style in self.page.service.studio.styles]
        return list(dict.fromkeys(s for s, _, _ in pairs)), list(dict.fromkeys(c for _, _, c in pairs))

    def _split(self, style: str) -> tuple[str, str]:
        """(set, colour) of a swatch; ("", "") of anything else."""
        styles = self.page.service.studio.styles
        name = styles[0] if style == DEFAULT_STYLE and styles else style
        if name not in styles:
            return "", ""
        drawing_set, _, colour = name.rpartition("-")
        return drawing_set, colour

    def _choose_style(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        pick = picked(event)
        if pick == "face":
            return self.apply(visit, pick, texts.language(request))
        kind, _, name = pick.partition(":")
        sets, colours = self._options()
        drawing_set, colour = self._split(visit.wish.style)
        drawing_set, colour = drawing_set or sets[0], colour or colours[0]
        style = f"{name}-{colour}" if kind == "set" else f"{drawing_set}-{name}"
        return self.apply(visit, style, texts.language(request))

    def apply(self, visit: Visit, style: str, lang: str) -> Updates:
        """Wish for a style, and draw the face on show in it."""
        made, service = visit.current, self.page.service
        service.studio.emojified(seed=0, style=style)  # refuses what there is not
        visit.wish = replace(visit.wish, style=style)
        if made is None or made.recipe.kind != "emojified":
            return self.page.without_repeats(visit, self.boards(visit, lang))
        recipe = replace(made.recipe, style=style)
        return self.page.show_new(visit, lang, service.render(recipe, visit.code_of(recipe)))

    # like another emoji

    def _offer_like(self, visit: Visit, request: gr.Request) -> Updates:
        """The emoji of the last grid, and those of the history."""
        lang = texts.language(request)
        seeds = {visit.grid.seed + k: url for k, url in enumerate(visit.grid.thumbnails[:LIKE_COUNT])}
        seeds |= {
            m.recipe.seed: m.thumbnail for m in visit.made if m.recipe.kind == "emoji" and m.recipe.seed is not None
        }
        tiles = [
            parts.Tile(
                f"seed:{seed}",
                texts.say(lang, "style_like_number", seed=seed),
                url,
                is_chosen=visit.wish.style == f"seed:{seed}",
            )
            for seed, url in seeds.items()
        ]
        return {self.like: parts.tiles(tiles, texts.say(lang, "style_like"), "strip")}

    def _choose_like(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        lang = texts.language(request)
        return self.apply(visit, picked(event), lang) | self._offer_like(visit, request)


def _named(key: str, name: str, lang: str) -> str:
    return texts.say(lang, key) if texts.has(key) else name


def _group(tiles: list[parts.Tile], title: str, look: str) -> str:
    return f'<p class="label">{html.escape(title)}</p>' + parts.tiles(tiles, title, look)
