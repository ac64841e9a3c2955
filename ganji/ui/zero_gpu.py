"""ZeroGPU: a Space that lends its GPU for the length of a call. Does nothing anywhere else.

There, `spaces` must be imported before torch, models must be loaded before the page starts, and whatever computes must run
inside a decorated function: in a forked process, to which arguments and results are sent. So exactly the three methods of
Studio that compute are lent out; faces are found on the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganji.studio import Studio
    from ganji.weights import Fetch

SHORT = 10  # s of GPU time asked for a picture; what is not used is given back
SEARCH = {"fast": 30, "portrait": 90}  # s, for a search in this mode


def is_there() -> bool:
    """Whether this process runs on ZeroGPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def prepare() -> None:
    """Import `spaces` if it is needed; to be called before anything imports torch."""
    if is_there():
        import spaces  # noqa: F401


def open_studio(fetch: Fetch | None = None) -> Studio:
    """The studio that the environment asks for, with its computing lent out if this is ZeroGPU; see studio.open_studio."""
    from ganji import studio as studios

    if not is_there():
        return studios.open_studio(fetch=fetch)
    import spaces
    import torch

    from ganji.detect import MTCNNDetector

    studio = studios.open_studio("cuda", fetch)
    studio.detector = MTCNNDetector(torch.device("cpu"))
    return lend(studio, spaces.GPU)


def lend(studio: Studio, gpu: Callable[..., Any]) -> Studio:
    """The same studio, whose computing methods run under `gpu(duration=...)`. What they send is on the CPU."""
    render, project, finish = studio.render, studio.project, studio.finish

    def run_render(*args: Any, **kwargs: Any) -> Any:
        return render(*args, **kwargs)

    def run_finish(*args: Any, **kwargs: Any) -> Any:
        return finish(*args, **kwargs)

    def run_project(aligned: Any, mode: str = "fast", **kwargs: Any) -> Iterator[Any]:
        for step in project(aligned, mode, **kwargs):
            yield replace(step, w_plus=step.w_plus.cpu(), picture=step.picture.float().cpu())

    def search_seconds(aligned: Any, mode: str = "fast", **kwargs: Any) -> int:
        return SEARCH.get(mode, SHORT)

    studio.render = gpu(duration=SHORT)(run_render)  # type: ignore[method-assign]
    studio.finish = gpu(duration=SHORT)(run_finish)  # type: ignore[method-assign]
    studio.project = gpu(duration=search_seconds)(run_project)  # type: ignore[method-assign]
    return studio
