"""From a face to its emoji: the search with its preview and Stop, then photo, reconstruction and emoji side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from ganji.errors import GanjiError
from ganji.recipe import Recipe
from ganji.service import FoundFace, Progress, Service
from ganji.ui import components, files, parts, texts
from ganji.ui.photo_desk import PhotoWork
from ganji.ui.shell import Page, Showing, Updates
from ganji.ui.visit import FaceShown, Visit

PICTURE = 224  # px of the pictures side by side
UPDATE_EVERY = 0.3  # s between two updates of the page


class FaceResult:
    """The card with the search and its result, and the before/after view."""

    def __init__(self, page: Page):
        self.page = page
        self.card = components.board("result")
        with gr.Row(elem_classes="tools"):
            self.stop = gr.Button(texts.label("stop"), variant="stop", size="sm", elem_id="stop", visible=False)
            self.longer = gr.Button(texts.label("look_longer"), size="sm", elem_id="look-longer", visible=False)
        self.faces = components.board("faces", elem_classes="maybe")
        with gr.Accordion(texts.label("compare"), open=False, visible=False, elem_id="compare") as self.compare:
            self.slider = gr.ImageSlider(
                label=texts.label("compare"), show_label=False, type="filepath", format="png", buttons=["fullscreen"],
                max_height=420, interactive=False, elem_id="before-after",
            )  # fmt: skip
        page.add_view([self.card, self.longer, self.faces, self.compare, self.slider], self._view)

    @property
    def outputs(self) -> list[Any]:
        """What a search changes."""
        return [self.card, self.stop, self.longer, self.faces, self.compare]

    # the search

    def say_nothing_yet(self, lang: str) -> Updates:
        """Before the first face."""
        return self._card(parts.empty(texts.say(lang, "result_empty")))

    def say_aligning(self, lang: str) -> Updates:
        """Just begun."""
        bar = parts.progress(texts.say(lang, "progress_aligning"), None)
        return self._card(bar) | {
            self.faces: "",
            self.longer: gr.update(visible=False),
            self.compare: gr.update(visible=False),
        }

    def say_problem(self, sentence: str) -> Updates:
        """It cannot go on."""
        return self._card(parts.message(sentence, "problem")) | {self.stop: gr.update(visible=False)}

    def offer_faces(self, work: PhotoWork, lang: str) -> Updates:
        """The faces of a photo that shows several."""
        if len(work.faces) < 2:
            return {self.faces: ""}
        count = len(work.faces)
        tiles = [
            parts.Tile(
                str(k), texts.say(lang, "face_of", k=k + 1, n=count), parts.thumbnail(face.picture), is_chosen=face is work.aligned
            )
            for k, face in enumerate(work.faces)
        ]  # fmt: skip
        note = texts.say(lang, "faces_found", n=work.faces[0].num_faces)
        return {self.faces: parts.message(note) + parts.tiles(tiles, note, "strip")}

    def search(self, work: PhotoWork, lang: str, *, go_on: bool = False) -> Iterator[Updates]:
        """Look for the face's code; what was found is left in `work.found`."""
        assert work.aligned is not None
        before = work.found if go_on else None
        mode = "portrait" if go_on else work.mode
        work.stop.clear()
        work.is_left = False
        aligned = parts.thumbnail(work.aligned.picture, PICTURE, 90)
        preview, shown_at = "", 0.0
        yield {self.stop: gr.update(visible=True, interactive=True), self.longer: gr.update(visible=False)}
        items = self.page.service.find_code(
            work.aligned.picture, mode, before.state if before else None, work.stop.is_set
        )
        try:
            for item in items:
                if isinstance(item, FoundFace):
                    work.found, work.mode, work.was_shown = item, mode, False
                    break
                if item.preview is not None:
                    preview = parts.thumbnail(item.preview, PICTURE, 85)
                if item.preview is not None or time.monotonic() - shown_at >= UPDATE_EVERY:
                    shown_at = time.monotonic()
                    yield self._card(_searching(item, aligned, preview, lang))
        except GanjiError as error:
            yield self.say_problem(texts.sentence(lang, error))
            raise
        if work.found is None:  # stopped before the first step
            yield self.say_nothing_yet(lang)
        elif not work.found.from_cache:
            self.page.showcase.saw_photo(work.found.projected.seconds)
        yield {self.stop: gr.update(visible=False)}

    def finish_after(self, search: Any) -> None:
        """Once a search has ended well, put its emoji on show; with the visit as it is then, not as it was before."""
        search.success(**self.page.event(self._finish))

    def _finish(self, visit: Visit, request: gr.Request) -> Updates:
        work, service, wish = self.page.desk.get(visit.photo), self.page.service, visit.wish
        if work is None or work.found is None or work.was_shown or work.is_left:
            return {self.card: gr.skip()}
        work.was_shown = True
        code = work.found.projected.code
        painted = service.emojify_code(code, wish.num_face_layers, wish.blend_strength, wish.style)
        return self.page.show_new(visit, texts.language(request), painted, code)

    # the result

    def _view(self, showing: Showing) -> Updates:
        recipe, visit = showing.recipe, showing.visit
        if recipe.kind != "emojified":
            return {}
        return self._photo_view(showing) if recipe.photo else self._random_view(showing, visit)

    def _photo_view(self, showing: Showing) -> Updates:
        lang, work = showing.lang, self.page.desk.get(showing.visit.photo)
        if (
            work is None
            or work.found is None
            or work.aligned is None
            or work.found.projected.code.digest != showing.recipe.photo
        ):
            emoji = (parts.thumbnail(showing.painted.picture, PICTURE, 90), texts.say(lang, "trio_emoji"))
            return self._result([emoji], texts.say(lang, "photo_gone_emoji"), lang) | {
                self.longer: gr.update(visible=False), self.compare: gr.update(visible=False)
            }  # fmt: skip
        projected = work.found.projected
        if work.aligned_file is None:
            work.aligned_file = files.save_picture(work.aligned.picture)
        pictures = [
            (parts.thumbnail(work.aligned.picture, PICTURE, 90), texts.say(lang, "trio_aligned")),
            (parts.thumbnail(projected.reconstruction, PICTURE, 90), texts.say(lang, "trio_reconstruction")),
            (parts.thumbnail(showing.painted.picture, PICTURE, 90), texts.say(lang, "trio_emoji")),
        ]
        return self._result(pictures, readout(work.found, lang), lang) | {
            self.longer: gr.update(visible=Service.can_go_on(work.found, "portrait")),
            self.compare: gr.update(visible=True),
            self.slider: (str(work.aligned_file), str(showing.file)),
        }

    def _random_view(self, showing: Showing, visit: Visit) -> Updates:
        lang, recipe = showing.lang, showing.recipe
        face = visit.face
        if face is None or face.recipe.seed != recipe.seed or face.recipe.truncation_psi != recipe.truncation_psi:
            painted = self.page.service.render(Recipe("face", seed=recipe.seed, truncation_psi=recipe.truncation_psi))
            face = FaceShown(painted.recipe, parts.thumbnail(painted.picture, PICTURE, 90), files.save(painted))
            visit.face = face
        pictures = [
            (face.thumbnail, texts.say(lang, "trio_random")),
            (parts.thumbnail(showing.painted.picture, PICTURE, 90), texts.say(lang, "trio_emoji")),
        ]
        return self._result(pictures, texts.say(lang, "readout_random"), lang) | {
            self.longer: gr.update(visible=False),
            self.faces: "",
            self.compare: gr.update(visible=True),
            self.slider: (str(face.file), str(showing.file)),
        }

    def _result(self, pictures: list[tuple[str, str]], text: str, lang: str) -> Updates:
        return {self.card: parts.panels(pictures, texts.say(lang, "trio_region")) + parts.message(text)}

    def _card(self, markup: str) -> Updates:
        return {self.card: markup}


def _searching(item: Progress, aligned: str, preview: str, lang: str) -> str:
    """The card during a search."""
    if item.position:
        wait = texts.say(lang, "progress_queue", position=item.position, seconds=texts.seconds(lang, item.seconds))
        bar = parts.progress(wait, None)
    else:
        text = texts.say(lang, "progress", done=item.done, total=item.total)
        if item.distance is not None:
            text += " · " + texts.say(lang, "progress_distance", distance=f"{item.distance:.2f}")
        bar = parts.progress(text, item.done / item.total)
    pictures = [
        (aligned, texts.say(lang, "trio_aligned")),
        (preview, texts.say(lang, "trio_searching")),
        ("", texts.say(lang, "trio_emoji")),
    ]
    return parts.panels(pictures, texts.say(lang, "trio_region")) + bar


def readout(found: FoundFace, lang: str) -> str:
    """How good a reconstruction is, honestly."""
    projected = found.projected
    verdict = texts.say(lang, f"verdict_{projected.verdict}")
    kind = projected.device.partition(":")[0]
    device = texts.say(lang, f"device_{kind}") if texts.has(f"device_{kind}") else projected.device
    text = texts.say(
        lang, "readout", verdict=verdict, lpips=f"{projected.distance:.2f}", steps=projected.steps,
        seconds=texts.seconds(lang, projected.seconds), device=device,
    )  # fmt: skip
    return f"{text} {texts.say(lang, 'readout_cached')}" if found.from_cache else text
