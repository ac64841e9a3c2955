"""WeightSpec -> a verified file in the Hub's cache. The only module here that imports huggingface_hub, and only when used.

Downloads at the pinned commit, checks bytes and sha256, and turns every fault into one sentence. A warm cache is used
without any request. Several processes that share a cache download a file once. Nothing but files in the Hub's cache is
ever deleted, and of these only wrong blobs and leftovers of killed downloads.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganji.checksums import is_html, short_name, verify
from ganji.errors import ChecksumError, DownloadError, WeightsError
from ganji.hub_cache import UnavailableError, alone, discard, disk_fault, remove_leftovers
from ganji.manifest import WeightSpec

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

    from ganji.hub_watch import Interrupted, Patience, Watch

logger = logging.getLogger(__name__)
_WATCH: ContextVar[Watch | None] = ContextVar("_WATCH", default=None)
_INSTALLING = threading.Lock()
_installed = False
_HARNESS_PATH = "/api/agent-harnesses"  # the client asks for it once, and goes on without it


def fetch(
    spec: WeightSpec,
    *,
    cache_dir: Path | None = None,
    endpoint: str | None = None,
    log: Callable[[str], None] = logger.info,
    patience: Patience | None = None,
) -> Path:
    """The verified local copy of a file that the Hub has.

    Args:
        cache_dir: of the Hub; None: its own default.
        endpoint: address of the Hub; None: its own default.
        log: takes a line of progress at least every `patience.log_every` seconds.
        patience: how long to go on; None: 120 s without news.
    Raises:
        ChecksumError: the Hub's bytes are not the manifest's.
        DownloadError: they cannot be had; `UnavailableError` where trying again later may help.
    """
    from huggingface_hub import constants

    from ganji.hub_watch import Patience

    if spec.repo_id is None or spec.revision is None:
        raise DownloadError(f"{short_name(spec.filename)} is not on the Hub.")
    cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser()
    found = _cached(spec, cache)
    if found is not None:
        remove_leftovers(spec, cache)
        return found
    patience = patience or Patience()
    with alone(spec, cache, patience.total, log, patience.log_every):
        remove_leftovers(spec, cache)
        return _cached(spec, cache, delete=True) or _download(spec, cache, endpoint, log, patience)


def _cached(spec: WeightSpec, cache: Path, *, delete: bool = False) -> Path | None:
    """The file, if the cache holds it with the right bytes. Makes no request.

    Args:
        delete: it, if it holds others.
    """
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(spec.repo_id or "", spec.filename, cache_dir=cache, revision=spec.revision)
    if not isinstance(found, str):
        return None
    path = Path(found)
    try:
        verify(path, spec)
    except WeightsError as exc:
        if delete:
            logger.warning("%s It is downloaded again.", exc)
            discard(path, spec, cache)
        return None
    return path


def _download(
    spec: WeightSpec, cache: Path, endpoint: str | None, log: Callable[[str], None], patience: Patience
) -> Path:
    """Try until the file is there with the right bytes, or patience ends."""
    from ganji.hub_watch import Watch, progress

    name = short_name(spec.filename)
    watch = Watch(spec.bytes, patience)
    wait, failures, best, mended = patience.first_wait, 0, 0, False
    with progress(name, watch, log):
        while True:
            try:
                path = _attempt(spec, cache, endpoint, watch)
                verify(path, spec)
                return path
            except ChecksumError:
                discard(path, spec, cache)
                if mended:
                    raise
                mended, failures, pause = True, failures + 1, 0.0
                log(f"{name}: the bytes are wrong; downloading again")
            except Exception as exc:  # _judge gives back what it does not know
                error, asked = _judge(exc, spec, watch, cache)
                failures = 1 if watch.best > best else failures + 1
                wait, best = (patience.first_wait if failures == 1 else wait), watch.best
                pause = wait if asked is None else asked
                if not isinstance(error, UnavailableError) or failures >= patience.tries or pause > watch.time_left:
                    raise error from (None if error is exc else exc)
                log(f"{error} Trying again in {pause:.0f} s.")
                wait = min(2 * wait, patience.longest_wait)
            time.sleep(pause)


def _attempt(spec: WeightSpec, cache: Path, endpoint: str | None, watch: Watch) -> Path:
    """One call of the Hub's client."""
    from huggingface_hub import hf_hub_download

    from ganji.hub_watch import no_queries_in_logs

    _install_hooks()
    watch.new_try()
    token = _WATCH.set(watch)
    try:
        with no_queries_in_logs():
            found = hf_hub_download(
                str(spec.repo_id),
                spec.filename,
                revision=spec.revision,
                cache_dir=cache,
                endpoint=endpoint,
                tqdm_class=_silent_bar(),
            )
        return Path(found)
    finally:
        _WATCH.reset(token)


def _install_hooks() -> None:
    """Have the client's sessions ask the watch of the current thread, if there is one. Others notice nothing."""
    global _installed
    import httpx2
    from huggingface_hub import get_session, set_client_factory

    with _INSTALLING:
        if _installed:
            return
        warnings.filterwarnings("ignore", message="Not enough free disk space", category=UserWarning)  # names folders
        hooks = get_session().event_hooks

        def before(request: Any) -> None:
            if (watch := _WATCH.get()) is not None and request.url.path != _HARNESS_PATH:
                watch.before_request(request)

        def after(response: Any) -> None:
            if (watch := _WATCH.get()) is not None and response.request.url.path != _HARNESS_PATH:
                watch.after_response(response)

        extended: dict[str, list[Callable[..., Any]]] = {
            "request": [*hooks["request"], before],
            "response": [*hooks["response"], after],
        }
        set_client_factory(lambda: httpx2.Client(event_hooks=extended, follow_redirects=True, timeout=None))
        _installed = True


def _silent_bar() -> Any:
    """A progress bar that draws nothing; hub_watch.progress tells the log."""
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **{**kwargs, "disable": True})

    return Silent


def _judge(exc: Exception, spec: WeightSpec, watch: Watch, cache: Path) -> tuple[Exception, float | None]:
    """(the error to show, seconds that the server asks to wait or None); UnavailableError is worth another try."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    from ganji.hub_watch import Interrupted

    name = short_name(spec.filename)
    causes = [exc, exc.__cause__, exc.__context__]
    if isinstance(exc, WeightsError):
        return exc, None
    if isinstance(exc, Interrupted):
        return _interrupted(exc, name), exc.wait
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes):
        return DownloadError(f"{name} is not in the cache, and HF_HUB_OFFLINE forbids to download it."), None
    if watch.html or is_html(watch.head):
        return UnavailableError(f"A web page came in place of {name}: a log-in page or a proxy is in between."), None
    for cause in causes:
        if isinstance(cause, HfHubHTTPError):
            return DownloadError(_refusal(cause, spec)), None
    if isinstance(exc, httpx2.TooManyRedirects):
        return DownloadError(f"The Hub sends the request for {name} round in circles."), None
    if isinstance(exc, httpx2.HTTPError):
        return UnavailableError(f"The connection to the Hub was lost while downloading {name}."), None
    if isinstance(exc, FileNotFoundError):
        return DownloadError(f"The answer for {name} did not come from a Hub; check HF_ENDPOINT and your proxy."), None
    if isinstance(exc, OSError) and exc.errno is None:
        return UnavailableError(f"The download of {name} was cut short."), None
    if isinstance(exc, OSError):
        return disk_fault(exc, spec, cache), None
    return exc, None


def _interrupted(exc: Interrupted, name: str) -> WeightsError:
    """The sentence for a request that the watch gave up."""
    if exc.kind == "endless":
        return ChecksumError(f"The Hub's {name} is larger than the manifest says; it was not downloaded.")
    if exc.kind == "stalled":
        return UnavailableError(f"The download of {name} stalled.")
    if exc.kind == "lost":
        return UnavailableError(f"The Hub cannot be reached, or lost the connection while sending {name}.")
    if exc.status == 429:
        wait = "" if exc.wait is None else f" for {exc.wait:.0f} s"
        return UnavailableError(f"The Hub limits our requests{wait} (429), so {name} must wait.", exc.wait or 0.0)
    return UnavailableError(f"The Hub is out of order (error {exc.status}), so {name} must wait.", exc.wait or 0.0)


def _refusal(exc: HfHubHTTPError, spec: WeightSpec) -> str:
    """The sentence for an answer that trying again will not change."""
    from huggingface_hub import errors, get_token

    name, repo = short_name(spec.filename), str(spec.repo_id)[:60]
    if isinstance(exc, errors.GatedRepoError):
        return f"{repo} is gated: accept its terms on its page, and set HF_TOKEN to a token of that account."
    if isinstance(exc, errors.RepositoryNotFoundError):
        return f"The Hub has no repository {repo}, or it is private: then set HF_TOKEN to a token that may read it."
    if isinstance(exc, errors.RevisionNotFoundError):
        return f"{repo} has no commit {str(spec.revision)[:12]}…; the manifest's revision is wrong."
    status = exc.response.status_code
    if isinstance(exc, errors.EntryNotFoundError) or status == 404:
        return f"{repo} has no file {name} at commit {str(spec.revision)[:12]}…."
    if status == 401 and get_token() is None:
        return f"{repo} may be read only with a token; set HF_TOKEN to one that has the right."
    if status == 401:
        return f"The Hub did not accept the token for {repo}; set HF_TOKEN to a valid one, or unset it."
    if status == 403:
        return f"The Hub forbids to read {repo}; the token in HF_TOKEN lacks the right."
    return f"The Hub answered with error {status} for {name}."
