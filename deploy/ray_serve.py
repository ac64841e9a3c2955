"""GAN-ji on Ray Serve: replicas of the core behind the same endpoints as the page's, as plain JSON over HTTP.

    pip install -r requirements.txt -r requirements-ray.txt
    serve run deploy.ray_serve:app min_replicas=2 max_replicas=8 gpus=0.25

A replica loads the models once. Requests beyond what replicas and queue hold are answered 429 with Retry-After. A request
whose replica dies goes to another one: every answer is a function of its question, so asking again is safe. docs/scale.md
says more. Names, parameters and defaults are those of ganji/ui/api.py; a test compares them.
"""

import asyncio
import base64
import logging
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle

logger = logging.getLogger(__name__)
LOST = (RayActorError, ReplicaUnavailableError)
TRIES = 4  # replicas that a request is given to before we give up
RETRY_AFTER = 5  # s, told to those who find the queue full
STATUS = {"input": 400, "photo": 422, "busy": 429, "weights": 503, "manifest": 503}  # by the first word of the code
Answer = dict[str, Any]


class Deployment(BaseModel):
    """What `serve run` may be told.

    Attributes:
        gpus, cpus: of each replica; 0.25 puts four on a GPU. ongoing: requests that a replica works on at one time.
        queued: requests that wait for a replica; the next one is answered 429.
    """

    min_replicas: int = 1
    max_replicas: int = 4
    cpus: float = 1.0
    gpus: float = 0.0
    ongoing: int = 2
    queued: int = 32


class Generate(BaseModel):
    """Of /generate."""

    seed: int = 0
    count: int = 20
    truncation_psi: float = 0.7


class Customize(BaseModel):
    """Of /customize."""

    seed: int
    strengths: list[float]


class Emojify(BaseModel):
    """Of /emojify."""

    seed: int
    cut: int = 0
    strength: float = 1.0
    style: str = "default"


class EmojifyPhoto(BaseModel):
    """Of /emojify_photo and /project_photo. `photo` is a data: URL, or the file in base64."""

    photo: str
    mode: str = "fast"
    cut: int = 0
    strength: float = 1.0
    style: str = "default"


@serve.deployment(name="Core")
class Core:
    """One replica: the models, and the service that the page uses as well."""

    def __init__(self) -> None:
        from ganji.service import Service
        from ganji.studio import open_studio

        studio = open_studio()
        self.service = Service(lambda: studio)

    async def call(self, name: str, values: dict[str, Any]) -> Answer:
        """An endpoint's answer, or {"code", "error", "retry_after"}."""
        return await asyncio.to_thread(self._call, name, values)

    def _call(self, name: str, values: dict[str, Any]) -> Answer:
        *_, answer = self._items(name, values)
        return answer

    async def stream(self, values: dict[str, Any]) -> AsyncIterator[Answer]:
        """/project_photo's news; the last item is the answer."""
        items = self._items("project_photo", values)
        while (item := await asyncio.to_thread(next, items, None)) is not None:
            yield item

    def _items(self, name: str, values: dict[str, Any]) -> Iterator[Answer]:
        from ganji.errors import GanjiError

        try:
            yield from getattr(self, f"_{name}")(**values)
        except GanjiError as error:
            yield {"code": error.code, "error": str(error), "retry_after": getattr(error, "retry_after", None)}
        except Exception:
            logger.exception("%s failed", name)
            yield {"code": "bug", "error": "Something went wrong that is our mistake.", "retry_after": None}

    def _generate(self, seed: int, count: int, truncation_psi: float) -> Iterator[Answer]:
        yield {"pictures": [_png(painted) for painted in self.service.generate(seed, count, truncation_psi)]}

    def _customize(self, seed: int, strengths: list[float]) -> Iterator[Answer]:
        yield {"picture": _png(self.service.customize(seed, strengths))}

    def _emojify(self, seed: int, cut: int, strength: float, style: str) -> Iterator[Answer]:
        face, emoji = self.service.emojify(seed, cut, strength, style)
        yield {"face": _png(face), "emoji": _png(emoji)}

    def _emojify_photo(self, **values: Any) -> Iterator[Answer]:
        *_, answer = self._project_photo(**values)
        yield answer

    def _project_photo(self, photo: str, mode: str, cut: int, strength: float, style: str) -> Iterator[Answer]:
        from ganji.photos import open_upload
        from ganji.service import FoundFace

        service = self.service
        service.studio.emojified(seed=0, num_face_layers=cut, blend_strength=strength, style=style)
        aligned = service.align(open_upload(photo if photo.startswith("data:") else f"data:image/jpeg;base64,{photo}"))
        for item in service.find_code(aligned.picture, mode):
            if not isinstance(item, FoundFace):
                yield {"state": "waiting" if item.position else "running", "step": item.done, "total": item.total}
                continue
            found = item.projected
            emoji = service.emojify_code(found.code, cut, strength, style)
            report = {"verdict": found.verdict, "lpips": round(found.distance, 4), "steps": found.steps}
            pictures = {"reconstruction": _plain_png(found.reconstruction), "emoji": _png(emoji)}
            yield {"state": "done", "aligned": _plain_png(aligned.picture), **pictures, "report": report}

    def _directions(self) -> Iterator[Answer]:
        yield self.service.directions()

    def _version(self) -> Iterator[Answer]:
        from ganji import __version__

        studio = self.service.studio
        replica = serve.get_replica_context().replica_id.unique_id
        yield {"ganji": __version__, "weights": studio.weights_id, "device": str(studio.device), "replica": replica}


def _png(painted: Any) -> str:
    from ganji.png_recipe import embed

    return base64.b64encode(embed(painted.picture, painted.recipe)).decode()


def _plain_png(picture: Any) -> str:
    from ganji.png_recipe import embed

    return base64.b64encode(embed(picture, None)).decode()


web = FastAPI(title="GAN-ji", description="The endpoints of docs/api.md as JSON; pictures are PNG files in base64.")


@web.exception_handler(RequestValidationError)
async def _bad_values(request: Any, error: RequestValidationError) -> Response:
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"] if part != "body") or "the body"
    return JSONResponse({"code": "input", "error": f"{place[:40]}: {fault['msg']}."}, 400)


# These stand before Api because serve.ingress copies its methods, with what they name, when the class is made; for the
# same reason annotations are types here and no texts.


async def _lines(first: Answer, news: AsyncIterator[Answer]) -> AsyncIterator[bytes]:
    yield JSONResponse(first).body + b"\n"  # type: ignore[operator]
    async for item in news:
        yield JSONResponse(item).body + b"\n"  # type: ignore[operator]


def _answered(answer: Answer) -> Response:
    """A replica's answer over HTTP."""
    if "code" not in answer:
        return JSONResponse(answer)
    wait = answer.pop("retry_after", None)
    status = STATUS.get(answer["code"].split(".")[0], 500)
    return JSONResponse(answer, status, {} if wait is None else {"Retry-After": str(math.ceil(wait))})


def _full() -> Response:
    error = {"code": "busy", "error": f"Too many requests are waiting; try again in {RETRY_AFTER} seconds."}
    return JSONResponse(error, 429, {"Retry-After": str(RETRY_AFTER)})


@serve.deployment(name="Api", ray_actor_options={"num_cpus": 0}, max_ongoing_requests=1000)
@serve.ingress(web)
class Api:
    """The web side: holds no model, gives every request to a replica, and to another one if that dies."""

    def __init__(self, core: DeploymentHandle):
        self.core = core

    @web.post("/generate")
    async def generate(self, values: Generate) -> Response:
        """Random emoji: picture i is the emoji of seed + i."""
        return await self._ask("generate", values)

    @web.post("/customize")
    async def customize(self, values: Customize) -> Response:
        """A random emoji with its sliders moved."""
        return await self._ask("customize", values)

    @web.post("/emojify")
    async def emojify(self, values: Emojify) -> Response:
        """A random face, and the emoji that shows its expression."""
        return await self._ask("emojify", values)

    @web.post("/emojify_photo")
    async def emojify_photo(self, values: EmojifyPhoto) -> Response:
        """An emoji that shows the expression of the face in a photo."""
        return await self._ask("emojify_photo", values)

    @web.post("/project_photo")
    async def project_photo(self, values: EmojifyPhoto) -> Response:
        """The same, as JSON lines with news while the face is looked for."""
        news = self._news(values)
        try:
            first = await anext(news)
        except BackPressureError:
            return _full()
        if "code" in first:
            return _answered(first)
        return StreamingResponse(_lines(first, news), media_type="application/x-ndjson")

    @web.get("/directions")
    async def directions(self) -> Response:
        """The sliders."""
        return await self._ask("directions")

    @web.get("/version")
    async def version(self) -> Response:
        """Which package, weights and device answer here."""
        return await self._ask("version")

    async def _ask(self, name: str, values: BaseModel | None = None) -> Response:
        for left in reversed(range(TRIES)):
            try:
                return _answered(await self.core.call.remote(name, values.model_dump() if values else {}))
            except (BackPressureError, DeploymentUnavailableError):
                return _full()
            except LOST:
                if not left:
                    raise
                logger.warning("a replica died; %s is asked of another one", name)
        raise AssertionError

    async def _news(self, values: EmojifyPhoto) -> AsyncIterator[Answer]:
        for left in reversed(range(TRIES)):
            try:
                async for item in self.core.options(stream=True).stream.remote(values.model_dump()):
                    yield item
                return
            except LOST:
                if not left:
                    raise
                logger.warning("a replica died; the search starts again on another one")


def app(args: Deployment) -> serve.Application:
    """What `serve run deploy.ray_serve:app name=value ...` starts."""
    scaling = {
        "min_replicas": args.min_replicas,
        "max_replicas": args.max_replicas,
        "target_ongoing_requests": 1,
    }
    core = Core.options(
        autoscaling_config=scaling,
        ray_actor_options={"num_cpus": args.cpus, "num_gpus": args.gpus},
        max_ongoing_requests=args.ongoing,
        max_queued_requests=args.queued,
    )
    return Api.bind(core.bind())
