"""Sliders along the generator's directions: live while they move, kept when they are let go."""

from __future__ import annotations

import html
import itertools
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ganji import validate
from ganji.factorize import Direction, Directions
from ganji.ui import components, parts, texts
from ganji.ui.shell import Page, Showing, Updates, name_of
from ganji.ui.visit import Visit

STEP = 0.5
SHUFFLED, SHUFFLE_REACH = 3, 12  # how many sliders "surprise me" moves, and how far at most, in steps

MAX_SLIDERS = 16
FACTORS_2022 = {1: "Expression 1", 2: "Expression 2", 8: "Color 1", 9: "Color 2", 5: "???"}
COUNTED_FROM_0 = ("coarse", "fine")

_sendings = itertools.count(1)


class CustomizeTab:
    """The slider panel and its buttons."""

    def __init__(self, page: Page, stage_picture: gr.HTML):
        self.page, self.picture = page, stage_picture
        gr.Markdown(texts.label("customize_heading"))
        self.panel = components.sliders("sliders")
        with gr.Row(elem_classes="tools"):
            self.shuffle = gr.Button(texts.label("shuffle"), size="sm", elem_id="sliders-shuffle", min_width=100)
            self.reset = gr.Button(texts.label("reset_all"), size="sm", elem_id="sliders-reset", min_width=100)
        page.add_view([self.panel, self.shuffle, self.reset], self._view)

    def wire(self) -> None:
        """Declare its events. Moves do not queue up: after one is painted, only the newest value is asked for."""
        self.page.on(self.panel.input, self._move, [self.panel], [self.picture], trigger_mode="always_last")
        self.page.on(self.reset.click, self._reset)
        self.page.on(self.shuffle.click, self._shuffle)

    def _sliders(self, kind: str) -> tuple[Slider, ...]:
        return offered(self.page.service.studio.directions.get(kind, Directions(())))

    def _view(self, showing: Showing) -> Updates:
        if showing.source == "sliders":
            return {}
        sliders, strengths = self._sliders(showing.recipe.kind), showing.recipe.strengths
        values = [strengths[s.index] if s.index < len(strengths) else 0 for s in sliders]
        value, has_any = {"n": next(_sendings), "v": values, "done": True}, bool(sliders)
        return {
            self.panel: gr.update(value=value, markup=self._markup(showing, sliders)),
            self.shuffle: gr.update(visible=has_any),
            self.reset: gr.update(visible=has_any, interactive=bool(showing.recipe.strengths)),
        }

    def _markup(self, showing: Showing, sliders: tuple[Slider, ...]) -> str:
        lang = showing.lang
        if not sliders:
            reason = self.page.service.studio.sliders_off
            if showing.recipe.kind == "face":
                return parts.empty(texts.say(lang, "customize_face"))
            return parts.empty(
                texts.say(lang, "customize_off", reason=reason) if reason else texts.say(lang, "customize_none")
            )
        config = self.page.service.studio.emoji_blend.config
        style_row = config.style_row or config.num_ws
        groups: dict[str, list[str]] = {"group_expression": [], "group_style": []}
        for slider in sliders:
            group = "group_style" if slider.direction.rows[0] >= style_row else "group_expression"
            groups[group].append(_slide(slider, showing, lang))
        return "".join(
            f'<fieldset class="slides"><legend>{html.escape(texts.say(lang, key))}</legend>{"".join(rows)}</fieldset>'
            for key, rows in groups.items()
            if rows
        )

    def _move(self, visit: Visit, value: Any, request: gr.Request) -> Updates:
        """A live picture while a slider moves; a new picture of the visit when it is let go."""
        made, lang = visit.current, texts.language(request)
        if made is None or not isinstance(value, dict):
            return {self.picture: gr.skip()}
        strengths = self._strengths(value.get("v"), made.recipe.kind)
        recipe = made.recipe.moved(strengths)
        painted = self.page.service.render(recipe, visit.code_of(recipe))
        if value.get("done"):
            return self.page.show_new(visit, lang, painted, source="sliders") | {
                self.reset: gr.update(interactive=any(strengths))
            }
        url = parts.live_url(painted.picture)
        visit.sent.pop(self.picture._id, None)
        return {self.picture: parts.stage(url, name_of(recipe, lang), "")}

    def _strengths(self, values: Any, kind: str) -> tuple[float, ...]:
        """All of a recipe's strengths from those of the sliders on the page."""
        sliders = self._sliders(kind)
        checked = validate.strengths(values, len(sliders))
        strengths = [0.0] * (1 + max((slider.index for slider in sliders), default=-1))
        for slider, strength in zip(sliders, checked):
            strengths[slider.index] = strength
        return tuple(strengths)

    def _reset(self, visit: Visit, request: gr.Request) -> Updates:
        return self._show_moved(visit, (), texts.language(request))

    def _shuffle(self, visit: Visit, request: gr.Request) -> Updates:
        """Move a few sliders somewhere."""
        kind = visit.current.recipe.kind if visit.current else ""
        values = [0.0] * len(self._sliders(kind))
        for k in secrets.SystemRandom().sample(range(len(values)), min(SHUFFLED, len(values))):
            values[k] = STEP * (secrets.randbelow(2 * SHUFFLE_REACH + 1) - SHUFFLE_REACH)
        return self._show_moved(visit, self._strengths(values, kind), texts.language(request))

    def _show_moved(self, visit: Visit, strengths: tuple[float, ...], lang: str) -> Updates:
        if visit.current is None:
            return {self.picture: gr.skip()}
        recipe = visit.current.recipe.moved(strengths)
        return self.page.show_new(visit, lang, self.page.service.render(recipe, visit.code_of(recipe)))


@dataclass(frozen=True)
class Slider:
    """A direction that the page offers: its position among all, and the name that slider_name makes its label of."""

    index: int
    name: str
    direction: Direction


def offered(directions: Directions) -> tuple[Slider, ...]:
    """The sliders of the page: all, up to a limit; of the factors of 2022 the five that its page had.

    Those of closed form are counted anew: a file leaves out those that change too much at once, and a gap looks like a loss.
    """
    if directions.method == "rosinality":
        return tuple(Slider(k, name, directions.items[k]) for k, name in FACTORS_2022.items() if k < len(directions))
    sliders, seen = [], Counter[str]()
    for k, direction in enumerate(directions.items[:MAX_SLIDERS]):
        word, _, number = direction.name.rpartition(" ")
        is_counted = word in COUNTED_FROM_0 and number.isdecimal()
        sliders.append(Slider(k, f"{word} {seen[word]}" if is_counted else direction.name, direction))
        seen[word] += is_counted
    return tuple(sliders)


def slider_name(name: str, lang: str) -> str:
    """What a slider is called: a known name, or a known word with a number after it, in the visitor's language."""
    if texts.has(f"direction_{name}"):
        return texts.say(lang, f"direction_{name}")
    word, _, number = name.lower().rpartition(" ")
    if number.isdecimal() and texts.has(f"direction_{word}"):
        return texts.say(lang, f"direction_{word}", n=int(number) + (word in COUNTED_FROM_0))
    return name


def _slide(slider: Slider, showing: Showing, lang: str) -> str:
    """One slider: name, range, value, and a button that puts it back."""
    index, name = slider.index, html.escape(slider_name(slider.name, lang))
    strengths = showing.recipe.strengths
    value = f"{strengths[index] if index < len(strengths) else 0:g}"
    reset = html.escape(texts.say(lang, "reset_one", name=slider_name(slider.name, lang)))
    low, high = validate.STRENGTH.low, validate.STRENGTH.high
    return (
        f'<div class="slide"><label for="slide-{index}">{name}</label>'
        f'<input type="range" id="slide-{index}" min="{low:g}" max="{high:g}" step="{STEP:g}" value="{value}">'
        f'<output for="slide-{index}">{value}</output>'
        f'<button type="button" data-reset aria-label="{reset}" title="{reset}">↺</button></div>'
    )
