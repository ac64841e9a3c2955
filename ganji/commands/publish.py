"""Upload a bundle's weights to the Hub, and write into the manifest where they are.

    python -m ganji publish --repo-id me/ganji-weights --dry-run
    HF_TOKEN=... python -m ganji publish --repo-id me/ganji-weights

The dry run lists what would be uploaded, and needs neither a token nor a network. The models' cards in docs/models go along,
and a README.md that lists the files. Afterwards the manifest names the repository and the full commit of each file.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ganji import manifest_edit
from ganji.checksums import short_name
from ganji.errors import InputError, WeightsError
from ganji.manifest import Bundle, WeightSpec
from ganji.weights import ROOT, Settings, WeightStore, open_store

CARDS = ROOT / "docs" / "models"
Contents = Mapping[str, Path | bytes]  # path in the repository -> file or text


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--repo-id", required=True, help="owner/name of the model repository; it is made if need be")
    parser.add_argument("--bundle", help="which bundle (GANJI_BUNDLE, else default)")
    parser.add_argument("--dry-run", action="store_true", help="only list the files")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--manifest", type=Path, help="another manifest than GANJI_MANIFEST or weights_manifest.json")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}", args.repo_id):
        raise InputError(f"--repo-id must be owner/name, not {args.repo_id[:40]!r}.")
    settings = Settings.from_environment()
    settings = replace(settings, manifest=args.manifest or settings.manifest, bundle=args.bundle or settings.bundle)
    store, bundle = open_store(settings)
    specs = bundle_files(store, bundle)
    contents = gather(store, bundle, specs, args.repo_id)
    for name, content in contents.items():
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        print(f"{size:>12} {name}")
    if args.dry_run:
        print(f"Nothing was uploaded to {args.repo_id}: this was a dry run.")
        return 0
    revision = upload(args.repo_id, contents, private=args.private)
    manifest_edit.set_location(settings.manifest, [spec.id for spec in specs], args.repo_id, revision)
    print(f"{short_name(settings.manifest)}: {len(specs)} files are at {args.repo_id}, commit {revision}")
    return 0


def bundle_files(store: WeightStore, bundle: Bundle) -> list[WeightSpec]:
    """The files of a bundle, each once.

    Raises:
        WeightsError: two of them have the same name.
    """
    specs = [store.manifest.file(name) for name in dict.fromkeys(bundle.roles.values())]
    names = [spec.filename for spec in specs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise WeightsError(f"Two files of the bundle are called {short_name(twice)}; rename one in the manifest.")
    return specs


def gather(store: WeightStore, bundle: Bundle, specs: list[WeightSpec], repo_id: str) -> Contents:
    """Everything that is uploaded: verified weight files, model cards, README.md.

    Raises:
        WeightsError: a file is not on this computer, or not the one that the manifest names.
    """
    contents: dict[str, Path | bytes] = {spec.filename: store.path(spec.id) for spec in specs}
    cards = (CARDS / f"{spec.id}.md" for spec in specs)  # other people's networks have none of ours
    contents |= {f"docs/models/{card.name}": card for card in cards if card.is_file()}
    contents["README.md"] = readme(bundle, specs, repo_id).encode()
    return contents


def readme(bundle: Bundle, specs: list[WeightSpec], repo_id: str) -> str:
    """The repository's front page."""
    lines = ["---", "license: other", "tags: [stylegan, emoji, ganji]", "---", f"# {repo_id}", "", bundle.title, ""]
    lines += ["| file | what it is | licence | source |", "|---|---|---|---|"]
    for spec in specs:
        cells = (f"`{spec.filename}`", spec.title, spec.licence, spec.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join([*lines, "", "Model cards are in `docs/models`; sha256 digests stand in GAN-ji's manifest.", ""])


def upload(repo_id: str, contents: Contents, *, private: bool = False, endpoint: str | None = None) -> str:
    """Put files into a model repository in one commit.

    Returns:
        The commit: 40 hex digits.
    Raises:
        WeightsError: no token, no right, or no connection.
    """
    import httpx2
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if get_token() is None:
        raise WeightsError(f"There is no token: set HF_TOKEN to one that may write to {repo_id[:60]}.")
    api = HfApi(endpoint=endpoint)
    operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.create_commit(repo_id, operations, commit_message="GAN-ji weights")
    except OfflineModeIsEnabled as exc:
        raise WeightsError("HF_HUB_OFFLINE forbids to upload.") from exc
    except HfHubHTTPError as exc:
        status = exc.response.status_code
        if status in (401, 403):
            raise WeightsError(f"The Hub refused ({status}): the token may not write to {repo_id[:60]}.") from exc
        raise WeightsError(f"The Hub answered with error {status}; nothing was written into the manifest.") from exc
    except (httpx2.HTTPError, OSError) as exc:
        raise WeightsError("The Hub cannot be reached; nothing was written into the manifest.") from exc
    return commit.oid
