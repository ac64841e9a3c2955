"""weights_manifest.json -> frozen records. Validates every field; imports no torch and touches no weight file.

`docs/weights.md` describes the fields; `weights_manifest.schema.json` is the same as a JSON Schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ganji.errors import CheckpointError, ManifestError
from ganji.networks.config import GeneratorConfig

FORMAT = 1
FORMATS_OF_KIND = {  # kind -> formats that we read it from
    "generator": ("safetensors", "rosinality", "nvlabs"),
    "mapping": ("safetensors",),
    "directions": ("safetensors", "factor"),
    "codebook": ("safetensors",),
    "expression-map": ("safetensors",),
    "expression-reader": ("safetensors",),
    "perceptual": ("safetensors",),
    "bank": ("safetensors",),
}
KINDS = tuple(FORMATS_OF_KIND)
ROLES = {  # role in a bundle -> kind of file
    "mapping": "mapping",
    "face": "generator",
    "emoji": "generator",
    "emoji_blend": "generator",
    "emoji_directions": "directions",
    "emoji_blend_directions": "directions",
    "codebook": "codebook",
    "expression_map": "expression-map",
    "expression_reader": "expression-reader",
    "perceptual": "perceptual",
    "bank": "bank",
}
REQUIRED_ROLES = ("face", "emoji", "emoji_blend")
MAX_BYTES = 8 << 30
_FILE_FIELDS = {"kind", "title", "repo_id", "revision", "filename", "bytes", "sha256", "format", "config", "licence",
                "source", "bundled"}  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")  # of a file or bundle
_REPO_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_HEX = re.compile(r"[0-9a-f]+")
_MAX_SENTENCE = 200


@dataclass(frozen=True)
class WeightSpec:
    """One weight file.

    Attributes:
        id: its name in the manifest.
        repo_id, revision: where the Hub has it, at a full commit; both None for bundled and user-supplied files.
        bundled: path below the project's root, or None.
        config: of a generator, as GeneratorConfig.to_dict gives it; None where the file itself says it.
    """

    id: str
    kind: str
    title: str
    repo_id: str | None
    revision: str | None
    filename: str
    bytes: int
    sha256: str
    format: str
    config: dict[str, Any] | None
    licence: str
    source: str
    bundled: str | None


@dataclass(frozen=True)
class Bundle:
    """Which files make a working app: `roles` maps a role to a file id."""

    name: str
    title: str
    roles: dict[str, str]


@dataclass(frozen=True)
class Manifest:
    """All files and bundles."""

    files: dict[str, WeightSpec]
    bundles: dict[str, Bundle]

    def file(self, name: str) -> WeightSpec:
        """A file by id.

        Raises:
            ManifestError: unknown; the sentence lists the known ids.
        """
        if name not in self.files:
            raise ManifestError(f"No weight file is called {name[:40]!r}; known: {_listed(self.files)}.")
        return self.files[name]

    def bundle(self, name: str) -> Bundle:
        """A bundle by name.

        Raises:
            ManifestError: unknown; the sentence lists the known names.
        """
        if name not in self.bundles:
            raise ManifestError(f"No bundle is called {name[:40]!r}; known: {_listed(self.bundles)}.")
        return self.bundles[name]


def _listed(names: Iterable[str]) -> str:
    text = ", ".join(sorted(names))
    return text if len(text) <= 110 else f"{text[:110]}…"


def load_manifest(path: Path) -> Manifest:
    """Read and validate a manifest.

    Raises:
        ManifestError: one line: file, entry, field, what is expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ManifestError(f"{path.name[:40]} cannot be read; check GANJI_MANIFEST.") from exc
    except ValueError as exc:
        raise ManifestError(f"{path.name[:40]} is no valid JSON: it is no UTF-8 text.") from exc
    return parse_manifest(text, path.name[:40])


def parse_manifest(text: str, filename: str = "weights_manifest.json") -> Manifest:
    """Validate a manifest's text.

    Args:
        filename: for the sentences.
    Raises:
        ManifestError: one line: file, entry, field, what is expected.
    """
    try:
        data = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as exc:
        raise ManifestError(f"{filename} is no valid JSON: line {exc.lineno}, column {exc.colno}.") from exc
    except (ValueError, RecursionError) as exc:
        raise ManifestError(f"{filename} is no valid JSON: {str(exc)[:100]}.") from exc
    return _Reader(filename).manifest(data)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose later entries do not silently replace earlier ones."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:40]!r} stands there twice")
        found[name] = value
    return found


class _Reader:
    """Checks field by field, so that the first fault names its place."""

    def __init__(self, filename: str):
        self.filename = filename

    def fail(self, entry: str, field: str, expected: str) -> ManifestError:
        return ManifestError(f"{self.filename}: {entry}: {field} must be {expected}"[: _MAX_SENTENCE - 1] + ".")

    def entry(self, group: str, name: str) -> str:
        """How sentences name an entry."""
        entry = f"{group}.{''.join(c for c in name if c.isprintable())[:40]}"
        if not _NAME.fullmatch(name):
            raise self.fail(entry, "the id", "1 to 60 lower-case letters, digits, '.', '_' and '-'")
        return entry

    def manifest(self, data: Any) -> Manifest:
        top = self.mapping(data, "top level", {"format", "files", "bundles"}, {"$schema"})
        if top["format"] != FORMAT or isinstance(top["format"], bool):
            raise self.fail("top level", "format", str(FORMAT))
        for field in ("files", "bundles"):
            if not isinstance(top[field], dict) or not top[field]:
                raise self.fail("top level", field, "an object with at least one entry")
        files = {name: self.spec(name, entry) for name, entry in top["files"].items()}
        return Manifest(files, {name: self.bundle(name, entry, files) for name, entry in top["bundles"].items()})

    def mapping(self, data: Any, entry: str, required: set[str], optional: set[str]) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise self.fail(entry, "the entry", "an object")
        for field in sorted(required - set(data)):
            raise self.fail(entry, field, "present")
        for field in sorted(set(data) - required - optional):
            raise ManifestError(f"{self.filename}: {entry}: {field[:40]!r} is no known field.")
        return data

    def spec(self, name: str, data: Any) -> WeightSpec:
        entry = self.entry("files", name)
        d = self.mapping(data, entry, _FILE_FIELDS - {"config", "bundled"}, {"config", "bundled"})
        if d["kind"] not in KINDS:
            raise self.fail(entry, "kind", f"one of {', '.join(KINDS)}")
        if d["format"] not in FORMATS_OF_KIND[d["kind"]]:
            raise self.fail(entry, "format", f"one of {', '.join(FORMATS_OF_KIND[d['kind']])}")
        for field in ("title", "licence", "source"):
            if not isinstance(d[field], str) or not 1 <= len(d[field]) <= 500:
                raise self.fail(entry, field, "a text of 1 to 500 characters")
        self._location(entry, d)
        size = d["bytes"]
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_BYTES:
            raise self.fail(entry, "bytes", f"a whole number from 1 to {MAX_BYTES}")
        if not isinstance(d["sha256"], str) or len(d["sha256"]) != 64 or not _HEX.fullmatch(d["sha256"]):
            raise self.fail(entry, "sha256", "64 lower-case hex digits")
        config = self._config(entry, d)
        return WeightSpec(
            name, d["kind"], d["title"], d["repo_id"], d["revision"], d["filename"], size, d["sha256"], d["format"],
            config, d["licence"], d["source"], d.get("bundled"),
        )  # fmt: skip

    def _config(self, entry: str, d: dict[str, Any]) -> dict[str, Any] | None:
        """The generator config, which must be a possible one."""
        config = d.get("config")
        if config is None:
            return None
        if d["kind"] != "generator" or not isinstance(config, dict):
            raise self.fail(entry, "config", "an object, and only for generators")
        previews, style_row = config.get("preview_resolutions", []), config.get("style_row")
        if not isinstance(previews, list) or not all(type(side) is int for side in previews):
            raise self.fail(entry, "config.preview_resolutions", "a list of whole numbers")
        if style_row is not None and type(style_row) is not int:
            raise self.fail(entry, "config.style_row", "null or a whole number")
        try:
            GeneratorConfig.from_dict(config)
        except (CheckpointError, TypeError) as exc:
            raise self.fail(entry, "config", f"a generator config ({str(exc).rstrip('.')[:80]})") from exc
        return config

    def _location(self, entry: str, d: dict[str, Any]) -> None:
        """repo_id, revision, filename and bundled: well-formed, and never leading out of their folder."""
        repo_id, revision = d["repo_id"], d["revision"]
        if repo_id is not None and not (isinstance(repo_id, str) and _REPO_ID.fullmatch(repo_id)):
            raise self.fail(entry, "repo_id", "null or owner/name")
        if (repo_id is None) != (revision is None):
            raise self.fail(entry, "revision", "given exactly when repo_id is")
        if revision is not None and not (
            isinstance(revision, str) and len(revision) == 40 and _HEX.fullmatch(revision)
        ):
            raise self.fail(entry, "revision", "a full commit of 40 lower-case hex digits")
        for field in ("filename", "bundled"):
            value = d.get(field)
            if value is None and field == "bundled":
                continue
            if not isinstance(value, str) or not _is_relative(value):
                raise self.fail(entry, field, "a relative path without '..'")

    def bundle(self, name: str, data: Any, files: dict[str, WeightSpec]) -> Bundle:
        entry = self.entry("bundles", name)
        d = self.mapping(data, entry, {"title", *REQUIRED_ROLES}, set(ROLES) - set(REQUIRED_ROLES))
        if not isinstance(d["title"], str) or not 1 <= len(d["title"]) <= 500:
            raise self.fail(entry, "title", "a text of 1 to 500 characters")
        roles = {role: value for role, value in d.items() if role != "title"}
        for role, value in roles.items():
            if not isinstance(value, str) or value not in files:
                raise self.fail(entry, role, "the id of a listed file")
            if files[value].kind != ROLES[role]:
                raise self.fail(entry, role, f"a file of kind {ROLES[role]}")
        return Bundle(name, d["title"], roles)


def _is_relative(text: str) -> bool:
    """Whether a manifest path stays below the folder it is joined to, on every system."""
    parts = PurePosixPath(text).parts
    return (
        bool(parts)
        and len(text) <= 300
        and not text.startswith(("/", "~"))
        and not set(text) & set("\\:")
        and text.isprintable()
        and ".." not in parts
    )
