"""Changes to a manifest file: a new weight file in a bundle, or where the Hub has files. What is written is always valid.

Entries that are not concerned stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ganji.checksums import sha256_file, short_name
from ganji.errors import ManifestError
from ganji.manifest import FORMAT, REQUIRED_ROLES, ROLES, parse_manifest

INHERITED_ROLES = ("perceptual",)  # a new bundle takes these over from `default`


def add_file(
    manifest: Path,
    file: Path,
    *,
    bundle: str,
    role: str,
    title: str,
    licence: str,
    source: str,
    config: dict[str, Any] | None = None,
) -> str:
    """List one of our safetensors files, and give it a role in a bundle, both of which may be new.

    A bundle needs three generators. Until others come, the first one stands in for all; an emoji generator is also the one
    that is blended, unless that role has one of its own.

    Returns:
        The file's id in the manifest.
    Raises:
        ManifestError: the file does not lie below the manifest's folder, or the result would be no valid manifest.
    """
    data = _read(manifest)
    try:
        place = file.resolve().relative_to(manifest.resolve().parent).as_posix()
    except ValueError as exc:
        raise ManifestError(f"{short_name(file)} must lie below the folder of {short_name(manifest)}.") from exc
    name = f"{bundle}-{role}".replace("_", "-")
    entry: dict[str, Any] = {
        "kind": ROLES[role], "title": title, "repo_id": None, "revision": None, "filename": file.name, "bundled": place,
        "bytes": file.stat().st_size, "sha256": sha256_file(file), "format": "safetensors", "licence": licence,
        "source": source,
    }  # fmt: skip
    if config is not None:
        entry["config"] = config
    data["files"][name] = entry
    _give_role(data, bundle, role, name)
    _write(manifest, data)
    return name


def _give_role(data: dict[str, Any], bundle: str, role: str, name: str) -> None:
    default = data["bundles"].get("default", {})
    inherited = {r: default[r] for r in INHERITED_ROLES if r in default}
    roles = data["bundles"].setdefault(bundle, {"title": f"{bundle}: networks of your own", **inherited})
    if ROLES[role] == "generator":
        before = roles.get("emoji")
        for required in REQUIRED_ROLES:
            roles.setdefault(required, name)
        if role == "emoji" and roles["emoji_blend"] in (before, roles["face"]):
            roles["emoji_blend"] = name
    elif not set(REQUIRED_ROLES) <= set(roles):
        raise ManifestError(f"The bundle {bundle[:40]!r} has no generators yet; add those first.")
    roles[role] = name
    if role == "emoji_directions" and roles["emoji_blend"] == roles["emoji"]:
        roles["emoji_blend_directions"] = name


def set_location(manifest: Path, ids: Iterable[str], repo_id: str, revision: str) -> None:
    """Write where the Hub has some files.

    Raises:
        ManifestError: an unknown id, or no valid repository or commit; the file stays as it was.
    """
    data = _read(manifest)
    for name in ids:
        if name not in data["files"]:
            raise ManifestError(f"{short_name(manifest)} lists no file {name[:40]!r}.")
        data["files"][name] |= {"repo_id": repo_id, "revision": revision}
    _write(manifest, data)


def _read(manifest: Path) -> dict[str, Any]:
    """The manifest's JSON, or that of an empty one."""
    if not manifest.exists():
        return {"format": FORMAT, "files": {}, "bundles": {}}
    try:
        text = manifest.read_text(encoding="utf-8")
    except (OSError, ValueError) as exc:
        raise ManifestError(f"{short_name(manifest)} cannot be read.") from exc
    parse_manifest(text, short_name(manifest))
    return json.loads(text)


def _write(manifest: Path, data: dict[str, Any]) -> None:
    """Replace the file at once, if the result is valid."""
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    parse_manifest(text, short_name(manifest))
    part = manifest.with_name(f".{manifest.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(manifest)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise ManifestError(f"{short_name(manifest)} cannot be written.") from exc
