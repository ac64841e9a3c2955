"""What all parts of the page share: the visit, the picture on show, and how events are declared.

Every part registers a view: given the picture on show, it says what its own components become. Whatever puts a picture on
show goes through `Page.show_new` or `Page.show_again`, so no part needs to know another.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from ganji import validate
from ganji.recipe import PhotoCode, Recipe
from ganji.results import Painted
from ganji.service import Service
from ganji.ui import files, parts, texts
from ganji.ui.handlers import guarded
from ganji.ui.photo_desk import PhotoDesk
from ganji.ui.showcase import Showcase
from ganji.ui.visit import Made, Visit

Updates = dict[Any, Any]
MAX_PICK = 40  # characters


@dataclass(frozen=True)
class Showing:
    """The picture that is being put on show.

    Attributes:
        file: the same as PNG, with its recipe.
        url: the same for the page.
        notice: a sentence to go with it, or empty.
        source: the part that made it, which need not be told what it has just said.
    """

    visit: Visit
    lang: str
    made: Made
    painted: Painted
    file: Path
    url: str
    notice: str = ""
    source: str = ""

    @property
    def recipe(self) -> Recipe:
        """Of the picture."""
        return self.painted.recipe

    @property
    def name(self) -> str:
        """What people call it."""
        return name_of(self.recipe, self.lang)


View = Callable[[Showing], Updates]


def name_of(recipe: Recipe, lang: str) -> str:
    """A picture's name, which is its text alternative as well."""
    if recipe.photo:
        key = "photo_face" if recipe.kind == "face" else "photo"
    else:
        key = recipe.kind
    name = texts.say(lang, f"name_{key}", seed=recipe.seed)
    return texts.say(lang, "name_moved", name=name) if recipe.strengths else name


def picked(event: Any) -> str:
    """What was chosen on a board.

    Raises:
        InputError: nothing, or something long.
    """
    return validate.text("The choice", getattr(event, "pick", None), MAX_PICK)


def picked_number(event: Any) -> int:
    """A chosen seed, or a picture's number."""
    text = picked(event)
    return validate.integer("The choice", int(text) if text.isdecimal() else text, validate.SEED)


@dataclass
class Page:
    """The page under construction, and what its events share afterwards."""

    service: Service
    showcase: Showcase
    desk: PhotoDesk = field(default_factory=PhotoDesk)
    views: list[tuple[Sequence[Any], View]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.visit = gr.State(Visit())

    def add_view(self, components: Sequence[Any], view: View) -> None:
        """Have `view` say what these components become whenever a picture is put on show."""
        self.views.append((components, view))

    @property
    def shown(self) -> list[Any]:
        """All components that depend on the picture on show: outputs of every event that may change it."""
        return [component for components, _ in self.views for component in components]

    def on(self, triggers: Any, function: Callable[..., Any], *wiring: Sequence[Any], **options: Any) -> Any:
        """Declare an event; see `event` for the rest.

        Args:
            triggers: one or several events of components.
        """
        return gr.on(triggers if isinstance(triggers, list) else [triggers], **self.event(function, *wiring, **options))

    def event(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        *,
        shows: bool = True,
        **options: Any,
    ) -> dict[str, Any]:
        """What Gradio is told of an event: function(visit, *inputs, request) returns {component: update}, or yields such.

        Args:
            shows: whether it may put a picture on show; then all that depends on it are outputs as well.
            options: further arguments of gr.on.
        """
        action = function.__name__.strip("_")
        return {
            "fn": guarded(action, function),
            "inputs": [self.visit, *inputs],
            "outputs": list(outputs) + [c for c in (self.shown if shows else []) if c not in outputs],
            "api_name": f"ui_{action}_{next(self._numbers)}",
            "api_visibility": "private",
            "show_progress": "hidden",
            "concurrency_limit": None,
        } | options

    # the picture on show

    def show_new(
        self,
        visit: Visit,
        lang: str,
        painted: Painted,
        code: PhotoCode | None = None,
        *,
        notice: str = "",
        source: str = "",
    ) -> Updates:
        """Put a picture that was just made on show, and into the history."""
        made = visit.add(painted.recipe, parts.thumbnail(painted.picture), code)
        return self._updates(visit, lang, made, painted, notice, source)

    def show_again(self, visit: Visit, lang: str, made: Made | None) -> Updates:
        """Put a picture of the history on show; nothing happens without one."""
        if made is None or visit.choose(made.number) is None:
            return {self.shown[0]: gr.skip()}
        painted = self.service.render(made.recipe, visit.code_of(made.recipe))
        return self._updates(visit, lang, made, painted, "", "")

    def _updates(self, visit: Visit, lang: str, made: Made, painted: Painted, notice: str, source: str) -> Updates:
        file = files.save(painted)
        url = parts.data_url(file.read_bytes(), "png")
        showing = Showing(visit, lang, made, painted, file, url, notice, source)
        updates: Updates = {}
        for _, view in self.views:
            updates |= view(showing)
        return self.without_repeats(visit, updates)

    def without_repeats(self, visit: Visit, updates: Updates) -> Updates:
        """The updates whose HTML the page does not show already."""
        kept: Updates = {}
        for component, value in updates.items():
            if isinstance(component, gr.HTML) and isinstance(value, str):
                digest = hash(value)
                if visit.sent.get(component._id) == digest:
                    continue
                visit.sent[component._id] = digest
            kept[component] = value
        return kept or {self.shown[0]: gr.skip()}
