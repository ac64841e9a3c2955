"""The page: header, four tabs that lead into each other, the picture on show beside them, and the footer."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import gradio as gr

from ganji import __version__
from ganji.errors import GanjiError
from ganji.loading import BackgroundLoad
from ganji.recipe import Recipe, from_text
from ganji.service import Service
from ganji.studio import Studio
from ganji.ui import api, components, parts, texts
from ganji.ui.blend_panel import BlendPanel
from ganji.ui.motion_panel import MotionPanel
from ganji.ui.pack_panel import PackPanel
from ganji.ui.recipe_panel import RecipePanel
from ganji.ui.shell import Page, Updates
from ganji.ui.showcase import Showcase
from ganji.ui.stage import Stage
from ganji.ui.sticker_panel import StickerPanel
from ganji.ui.style_panel import StylePanel
from ganji.ui.tab_customize import CustomizeTab
from ganji.ui.tab_photo import PhotoTab
from ganji.ui.tab_random import RandomTab
from ganji.ui.visit import Visit

TITLE = "GAN-ji"
START = Recipe("emoji", seed=70)  # what a visitor sees first
POLL = 1.5  # s between two looks at whether the weights are there


class App:
    """The whole page."""

    def __init__(self, service: Service, load: BackgroundLoad[Studio], showcase: Showcase):
        self.service, self.load, self.showcase = service, load, showcase
        with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as self.blocks:
            self.page = Page(service, showcase)
            self._lay_out()
            self._wire()
            api.publish(service)

    def _lay_out(self) -> None:
        gr.HTML(_header(), elem_id="header", apply_default_css=False)
        self.status = components.board("status")
        self.timer = gr.Timer(POLL)
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(scale=3, min_width=320, elem_id="flows"), gr.Tabs(elem_id="tabs") as self.tabs:
                with gr.Tab(texts.label("tab_photo"), id="photo", elem_id="tab-photo", render_children=True):
                    self.photo = PhotoTab(self.page)
                    self.style = StylePanel(self.page)
                    self.blend = BlendPanel(self.page)
                with gr.Tab(texts.label("tab_random"), id="random", elem_id="tab-random", render_children=True):
                    self.random = RandomTab(self.page)
                with gr.Tab(
                    texts.label("tab_customize"), id="customize", elem_id="tab-customize", render_children=True
                ):
                    customize = gr.Column(elem_classes="plain")
                with gr.Tab(texts.label("tab_use"), id="use", elem_id="tab-use", render_children=True):
                    self.stickers = StickerPanel(self.page)
                    self.motion = MotionPanel(self.page)
                    self.pack = PackPanel(self.page)
                    self.recipes = RecipePanel(self.page)
            self.stage = Stage(self.page)
        with customize:
            self.customize = CustomizeTab(self.page, self.stage.picture)
        with gr.Row(elem_id="about"):
            for key in ("about_privacy", "about_licences", "about_programs"):
                gr.Markdown(texts.label(key), elem_classes="about")
        self.version = components.board("version")

    def _wire(self) -> None:
        flows = (self.photo, self.style, self.blend, self.random, self.customize)
        for part in (self.stage, *flows, self.stickers, self.motion, self.pack, self.recipes):
            part.wire()
        first = [self.status, self.timer, self.random.grid, self.photo.examples, self.photo.result.card, self.version]
        arrival = self.page.on([self.blocks.load, self.timer.tick], self._arrive, [], first, trigger_mode="once")
        arrival.success(**self.page.event(self._fill_grid, [], [self.random.grid], shows=False))
        for button, tab in ((self.stage.to_customize, "customize"), (self.stage.to_use, "use")):
            button.click(None, None, None, js=_go_to(tab))

    # arrival

    def _arrive(self, visit: Visit, request: gr.Request) -> Updates:
        """Say how things stand; once the models are there, show the first picture, or the one of the page's address."""
        lang, state = texts.language(request), self.load.state
        updates: Updates = {self.status: self._status(lang), self.photo.examples: self.photo.first_examples(lang)}
        if not visit.has_arrived:
            updates |= self.photo.result.say_nothing_yet(lang)
        updates = self.page.without_repeats(visit, updates)
        if not state.ready or visit.has_arrived:
            return updates | {self.timer: gr.Timer(active=not state.ready)}
        visit.has_arrived = True
        updates[self.version] = parts.fine_print(
            texts.say(lang, "about_version", version=__version__, weights=self.service.studio.weights_id)
        )
        return updates | self._first_picture(visit, request, lang) | {self.timer: gr.Timer(active=False)}

    def _first_picture(self, visit: Visit, request: gr.Request, lang: str) -> Updates:
        text = _recipe_text(request)
        if text:
            try:
                return self.recipes.restore(visit, from_text(text), None, lang)
            except GanjiError as error:
                painted = self.service.render(START)
                return self.page.show_new(visit, lang, painted, notice=texts.sentence(lang, error), source="start")
        return self.page.show_new(visit, lang, self.service.render(START), source="start")

    def _fill_grid(self, visit: Visit, request: gr.Request) -> Updates:
        if not visit.has_arrived or visit.grid.thumbnails:
            return {self.random.grid: gr.skip()}
        return self.random.first_grid(visit, texts.language(request))

    def _status(self, lang: str) -> str:
        state = self.load.state
        if not state.ready:
            key = "status_fetching" if state.phase == "loading" and state.detail else f"status_{state.phase}"
            said = f"{texts.say(lang, key)} {state.detail}".strip()
            return parts.message(said, "note" if state.phase == "loading" else "problem")
        device = texts.say(lang, f"status_device_{'gpu' if self.service.studio.device.type == 'cuda' else 'cpu'}")
        return parts.message(texts.say(lang, "status_ready", device=device, pace=self._pace(lang)))

    def _pace(self, lang: str) -> str:
        emoji, photo = self.showcase.emoji_seconds, self.showcase.photo_seconds
        if emoji is None or photo is None:
            return texts.say(lang, "status_pace_unknown")
        return texts.say(lang, "status_pace", emoji=texts.seconds(lang, emoji), photo=texts.seconds(lang, photo))


def _recipe_text(request: Any) -> str:
    """The recipe in the page's address; empty if there is none. Names that begin with __ are Gradio's."""
    params = dict(getattr(request, "query_params", None) or {})
    pairs = [(name, value) for name, value in params.items() if not str(name).startswith("__")]
    return urlencode(pairs) if "kind" in params else ""


def _go_to(tab: str) -> str:
    """A script that opens a tab, and brings it into view where it lies below the picture."""
    return f"""() => {{
      document.querySelector('#tab-{tab}-button')?.click();
      const tabs = document.querySelector('#tabs');
      if (tabs?.getBoundingClientRect().top > innerHeight / 3) tabs.scrollIntoView();
    }}"""


def _header() -> str:
    logo = parts.data_url((components.ASSETS / "logo.png").read_bytes(), "png")
    return (
        f'<header class="hero"><img src="{logo}" alt="" width="152" height="98">'
        f"<div><h1>GAN-ji</h1><p>{texts.both('tagline')}</p></div></header>"
    )
