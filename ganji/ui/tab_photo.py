"""Where faces come from: a photo (upload, paste, webcam), an example, or nobody at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from ganji import validate
from ganji.errors import BusyError, NoFaceError, PhotoError
from ganji.photos import open_photo, open_upload
from ganji.ui import components, files, parts, texts
from ganji.ui.face_result import FaceResult
from ganji.ui.marks import MarkPanel
from ganji.ui.shell import Page, Updates, picked
from ganji.ui.showcase import EXAMPLES
from ganji.ui.tab_random import surprise
from ganji.ui.visit import Visit

EXAMPLE_SIDE = 128  # px


class PhotoTab:
    """The uploader, the examples and the random faces; then the result."""

    def __init__(self, page: Page):
        self.page = page
        gr.Markdown(texts.label("photo_heading"))
        with gr.Row(elem_classes="sources"):
            with gr.Column(min_width=260, elem_classes="plain"):
                self.photo = components.PhotoInput(
                    label=texts.label("photo_label"), sources=["upload", "webcam", "clipboard"], type="filepath",
                    image_mode=None, height=250, buttons=[], elem_id="photo",
                )  # fmt: skip
                gr.Markdown(texts.label("photo_privacy"), elem_classes="hint")
            with gr.Column(min_width=260, elem_classes="plain"):
                self.examples = components.board("examples")
                with gr.Row(elem_classes="fields"):
                    self.seed = gr.Number(
                        1, label=texts.label("face_seed"), precision=0, minimum=0, maximum=validate.SEED.high, elem_id="face-seed", min_width=200
                    )  # fmt: skip
                with gr.Row(elem_classes="tools"):
                    self.show = gr.Button(texts.label("this_face"), size="sm", elem_id="face-show", min_width=100)
                    self.surprise = gr.Button(
                        texts.label("surprise_face"), size="sm", elem_id="face-surprise", min_width=100
                    )
        self.mode = gr.Radio(
            [(texts.label("mode_fast"), "fast"), (texts.label("mode_portrait"), "portrait")],
            value="fast", label=texts.label("mode"), elem_id="mode",
        )  # fmt: skip
        gr.Markdown(texts.label("result_heading"))
        self.result = FaceResult(page)
        self.marks = MarkPanel(page)

    def wire(self) -> None:
        """Declare its events; every search ends with its picture on show."""
        on, outputs = self.page.on, [*self.result.outputs, *self.marks.outputs]
        quiet: dict[str, Any] = {"shows": False, "trigger_mode": "multiple"}
        searches = [
            on(self.photo.upload, self._open_photo, [self.photo, self.mode], outputs, **quiet),
            on(self.examples.select, self._open_example, [self.mode], outputs, **quiet),
            on(self.result.faces.select, self._choose_face, [], outputs, **quiet),
            on(self.marks.use.click, self._use_marks, [self.marks.board], outputs, shows=False),
            on(self.result.longer.click, self._look_longer, [], outputs, shows=False),
            on(self.mode.input, self._change_mode, [self.mode], outputs, shows=False),
        ]  # fmt: skip
        for search in searches:
            self.result.finish_after(search)
        self.marks.wire()
        on(self.result.stop.click, self._stop, [], [self.result.stop], shows=False, queue=False)
        on([self.show.click, self.seed.submit], self._show_face, [self.seed], [self.seed])
        on(self.surprise.click, self._surprise_face, [], [self.seed])

    @staticmethod
    def first_examples(lang: str) -> str:
        """The examples to click."""
        names = sorted(path.stem for path in EXAMPLES.glob("*.jpg"))
        tiles = [
            parts.Tile(
                name,
                example_name(name, lang),
                parts.thumbnail(open_photo(EXAMPLES / f"{name}.jpg"), EXAMPLE_SIDE),
                is_chosen=None,
            )
            for name in names
        ]
        title = texts.say(lang, "examples")
        return f'<p class="label">{title}</p>' + parts.tiles(tiles, title, "examples")

    # photos

    def _open_photo(self, visit: Visit, upload: Any, mode: str, request: gr.Request) -> Iterator[Updates]:
        if upload is not None:
            folder = Path(os.environ[files.FOLDER])
            yield from self._look_at(visit, lambda: open_upload(upload, folder), mode, texts.language(request))

    def _open_example(self, visit: Visit, mode: str, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        name = validate.choice("example", picked(event), [path.stem for path in EXAMPLES.glob("*.jpg")])
        yield from self._look_at(visit, lambda: open_photo(EXAMPLES / f"{name}.jpg"), mode, texts.language(request))

    def _look_at(self, visit: Visit, read: Any, mode: str, lang: str) -> Iterator[Updates]:
        """Find the faces of a photo and search for the largest; without one, ask for marks by hand."""
        if before := self.page.desk.get(visit.photo):
            before.leave()
        visit.photo = ""
        yield self.result.say_aligning(lang) | self.marks.closed()
        try:
            try:
                with self.page.service.admission.reserved_place():
                    photo = read()
                    faces = self.page.service.align_all(photo)
            except NoFaceError as error:
                visit.photo, work = self.page.desk.put(photo, [])
                yield self.result.say_problem(texts.sentence(lang, error)) | self.marks.offered(
                    work, lang, is_open=True
                )
                return
        except (PhotoError, BusyError) as error:
            yield self.result.say_problem(texts.sentence(lang, error))
            if isinstance(error, BusyError):
                raise
            return
        visit.photo, work = self.page.desk.put(photo, faces)
        work.mode = validate.choice("mode", mode, ("fast", "portrait"))
        work.use(faces[0])
        yield self.marks.offered(work, lang, is_open=False) | self.result.offer_faces(work, lang)
        yield from self.result.search(work, lang)

    def _choose_face(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        lang, work = texts.language(request), self.page.desk.get(visit.photo)
        if work is None:
            yield self.result.say_problem(texts.say(lang, "photo_gone"))
            return
        index = int(validate.choice("face", picked(event), [str(k) for k in range(len(work.faces))]))
        yield from self._search_again(work, index, lang)

    def _search_again(self, work: Any, index: int, lang: str) -> Iterator[Updates]:
        work.use(work.faces[index])
        yield self.result.offer_faces(work, lang) | self.marks.offered(work, lang, is_open=False)
        yield from self.result.search(work, lang)

    def _use_marks(self, visit: Visit, marks: Any, request: gr.Request) -> Iterator[Updates]:
        lang, work = texts.language(request), self.page.desk.get(visit.photo)
        if work is None:
            yield self.result.say_problem(texts.say(lang, "photo_gone"))
            return
        work.use(self.page.service.align(work.photo, points=self.marks.read(work, marks)))
        yield self.result.offer_faces(work, lang)
        yield from self.result.search(work, lang)

    def _look_longer(self, visit: Visit, request: gr.Request) -> Iterator[Updates]:
        lang, work = texts.language(request), self.page.desk.get(visit.photo)
        if work is None or work.aligned is None:
            yield self.result.say_problem(texts.say(lang, "photo_gone"))
            return
        yield from self.result.search(work, lang, go_on=True)

    def _change_mode(self, visit: Visit, mode: str, request: gr.Request) -> Iterator[Updates]:
        """Choosing the portrait for a face that was found quickly looks longer at it."""
        work = self.page.desk.get(visit.photo)
        if work is None or work.found is None or mode != "portrait" or work.mode == "portrait":
            yield {self.result.stop: gr.skip()}
            return
        yield from self.result.search(work, texts.language(request), go_on=True)

    def _stop(self, visit: Visit, request: gr.Request) -> Updates:
        if work := self.page.desk.get(visit.photo):
            work.stop.set()
        return {self.result.stop: gr.update(interactive=False)}

    # faces of nobody

    def _show_face(self, visit: Visit, seed: float, request: gr.Request) -> Updates:
        return self._face(visit, validate.integer("seed", seed, validate.SEED), texts.language(request))

    def _surprise_face(self, visit: Visit, request: gr.Request) -> Updates:
        return self._face(visit, surprise(), texts.language(request))

    def _face(self, visit: Visit, seed: int, lang: str) -> Updates:
        service, wish = self.page.service, visit.wish
        recipe = service.studio.emojified(
            seed=seed, num_face_layers=wish.num_face_layers, blend_strength=wish.blend_strength, style=wish.style
        )
        return {self.seed: seed} | self.page.show_new(visit, lang, service.render(recipe))


def example_name(name: str, lang: str) -> str:
    """What an example shows."""
    if name == "astronaut":
        return texts.say(lang, "example_astronaut")
    return texts.say(lang, "example_face", seed=name.removeprefix("face-"))
