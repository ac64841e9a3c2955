"""Create a Hugging Face Space of this app, or update it.

    python -m ganji deploy --space me/ganji --dry-run
    HF_TOKEN=... python -m ganji deploy --space me/ganji
    HF_TOKEN=... python -m ganji deploy --space me/ganji --hardware t4-small --private

The dry run lists every file with its size, and needs neither a token nor a network. A Space that exists is updated if it
holds this app, and left alone if it holds another one. zero-a10g gets requirements of its own (docs/duplicate.md).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganji.commands import deploy_files
from ganji.commands.deploy_files import Contents
from ganji.errors import InputError, WeightsError
from ganji.weights import Settings, open_store

if TYPE_CHECKING:
    from huggingface_hub import HfApi

OURS = "ganji/__init__.py"  # a Space that has it holds this app
KEPT = frozenset((".gitattributes",))  # made by the Hub


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--space", required=True, help="owner/name; it is made if need be")
    parser.add_argument("--hardware", help="such as cpu-basic, t4-small, zero-a10g; default: as it is, or cpu-basic")
    parser.add_argument("--bundle", help="which weights (GANJI_BUNDLE, else default)")
    parser.add_argument("--manifest", type=Path, help="another manifest than GANJI_MANIFEST or weights_manifest.json")
    parser.add_argument("--private", action="store_true", help="make a new Space private")
    parser.add_argument("--dry-run", action="store_true", help="only list the files")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}", args.space):
        raise InputError(f"--space must be owner/name, not {args.space[:40]!r}.")
    if args.hardware is not None and args.hardware not in (known := hardware_names()):
        raise InputError(f"--hardware must be one of {', '.join(known)}.")
    settings = Settings.from_environment()
    settings = replace(settings, manifest=args.manifest or settings.manifest, bundle=args.bundle or settings.bundle)
    store, bundle = open_store(settings)
    contents = deploy_files.gather(store, bundle, settings.manifest, args.hardware)
    sizes = {name: len(c) if isinstance(c, bytes) else c.stat().st_size for name, c in contents.items()}
    for name, size in sizes.items():
        print(f"{size:>12} {name}")
    print(f"{sum(sizes.values()):>12} in {len(sizes)} files")
    if args.dry_run:
        print(f"Nothing was uploaded to {args.space}: this was a dry run.")
        return 0
    variables = {} if bundle.name == "default" else {"GANJI_BUNDLE": bundle.name}
    url = upload(args.space, contents, hardware=args.hardware, private=args.private, variables=variables)
    print(f"{args.space}: {url}")
    return 0


def hardware_names() -> list[str]:
    """What the Hub's client knows a Space can run on."""
    from huggingface_hub import SpaceHardware

    return sorted({*(item.value for item in SpaceHardware), deploy_files.ZERO_GPU})


def upload(
    space: str,
    contents: Contents,
    *,
    hardware: str | None = None,
    private: bool = False,
    variables: dict[str, str] | None = None,
    endpoint: str | None = None,
) -> str:
    """Put exactly these files into a Space, in one commit; files of an older version go.

    Returns:
        The Space's address.
    Raises:
        WeightsError: no token, no right, no connection, or the Space holds another app; then its files are as they were.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token

    if get_token() is None:
        raise WeightsError(f"There is no token: set HF_TOKEN to one that may write to {space[:60]}.")
    api = HfApi(endpoint=endpoint)
    with _told(space):
        url = api.create_repo(space, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        present = _present(api, space)
        operations: list[CommitOperationAdd | CommitOperationDelete]
        operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
        operations += [CommitOperationDelete(name) for name in sorted(present - set(contents) - KEPT)]
        api.create_commit(space, operations, repo_type="space", commit_message="GAN-ji")
        for name, value in (variables or {}).items():
            api.add_space_variable(space, name, value)
        if hardware is not None:
            api.request_space_hardware(space, hardware)  # type: ignore[arg-type]
    return str(url)


def _present(api: HfApi, space: str) -> set[str]:
    """The Space's files.

    Raises:
        WeightsError: they are another app's.
    """
    present = set(api.list_repo_files(space, repo_type="space"))
    if present - KEPT - {"README.md"} and OURS not in present:
        raise WeightsError(f"{space[:60]} exists and holds another app; choose another name, or delete it first.")
    return present


@contextmanager
def _told(space: str) -> Iterator[None]:
    """Turn the client's errors into one sentence."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as exc:
        raise WeightsError("HF_HUB_OFFLINE forbids to upload.") from exc
    except HfHubHTTPError as exc:
        status = exc.response.status_code
        if status in (401, 403):
            raise WeightsError(f"The Hub refused ({status}): the token may not write to {space[:60]}.") from exc
        if status == 402:
            raise WeightsError(f"The Hub wants a paid plan for this Space or hardware ({status}).") from exc
        raise WeightsError(
            f"The Hub answered with error {status}; {space[:60]} may be incomplete, run it again."
        ) from exc
    except (httpx2.HTTPError, OSError) as exc:
        raise WeightsError("The Hub cannot be reached, or the connection was lost; run it again.") from exc
