"""Put a weight file into the bundle: store it as float16 below weights/, and write its entry into the manifest.

    python scripts/bundle_weights.py face runs/face/generator.safetensors --title "FFHQ faces, 256 px" \\
        --licence LicenseRef-FFHQ --source "docs/models/face.md" [--role face]

A generator's mapping network is left out when it equals the bundled one. A development tool.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ganji.formats import native
from ganji.manifest import ROLES, load_manifest

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "weights_manifest.json"
MAPPING = ROOT / "weights" / "mapping.safetensors"
MAX_BYTES = 16 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("id")
    parser.add_argument("file", type=Path)
    parser.add_argument("--title", required=True)
    parser.add_argument("--licence", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--role", action="append", default=[], choices=sorted(ROLES))
    parser.add_argument("--bundle", default="default")
    parser.add_argument(
        "--without-previews", action="store_true", help="leave out a generator's heads of smaller pictures"
    )
    parser.add_argument("--keep-dtype", action="store_true", help="do not store as float16")
    args = parser.parse_args()
    kind = header_kind(args.file)
    stored = native.read(args.file, kind)
    tensors, header = dict(stored.tensors), dict(stored.header)
    header.pop("format")
    if kind == "generator":
        tensors, header = without_mapping(tensors, header)
        if args.without_previews:
            tensors, header = without_previews(tensors, header)
    out = ROOT / "weights" / f"{args.id}.safetensors"
    out.parent.mkdir(exist_ok=True)
    native.write(out, tensors, header, None if args.keep_dtype else torch.float16)
    native.read(out, kind)  # float16 must not have overflowed
    size = out.stat().st_size
    if size > MAX_BYTES:
        out.unlink()
        raise SystemExit(f"{out.name} would have {size} bytes; the limit is {MAX_BYTES}")
    entry = {
        "kind": kind,
        "title": args.title,
        "repo_id": None,
        "revision": None,
        "filename": out.name,
        "bundled": f"weights/{out.name}",
        "bytes": size,
        "sha256": native.sha256_file(out),
        "format": "safetensors",
        "licence": args.licence,
        "source": args.source,
    }
    if kind == "generator":
        entry["config"] = header["config"]
    update_manifest(args.id, entry, args.bundle, args.role)
    print(f"{out.name}: {size} bytes, sha256 {entry['sha256'][:12]}")
    return 0


def header_kind(path: Path) -> str:
    """What one of our files holds."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as stream:
        return json.loads(stream.metadata()["ganji"])["kind"]


def without_mapping(tensors: dict[str, torch.Tensor], header: dict) -> tuple[dict[str, torch.Tensor], dict]:
    """Leave out the mapping network if the bundled one is the same to float16."""
    shared = native.read(MAPPING, "mapping").tensors
    own = {name: t for name, t in tensors.items() if name.startswith(native.MAPPING_PREFIX)}
    if not own:
        return tensors, header
    if own.keys() != shared.keys() or any(not torch.equal(own[n].half(), shared[n].half()) for n in own):
        return tensors, header
    header = {**header, "parts": {"mapping": native.sha256_file(MAPPING)}}
    return {name: t for name, t in tensors.items() if name not in own}, header


def without_previews(tensors: dict[str, torch.Tensor], header: dict) -> tuple[dict[str, torch.Tensor], dict]:
    """Leave out the heads that only projection and training look at."""
    heads = tuple(f"to_rgbs.{side}." for side in header["config"]["preview_resolutions"])
    header = {**header, "config": {**header["config"], "preview_resolutions": []}}
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(heads)}, header


def update_manifest(name: str, entry: dict, bundle: str, roles: list[str]) -> None:
    """Write one entry, and its roles in a bundle; the result must be a valid manifest once the bundle is complete."""
    data = json.loads(MANIFEST.read_text(encoding="utf-8"))
    data["files"][name] = entry
    if roles:
        target = data["bundles"].setdefault(bundle, {"title": "Bundled: faces and emoji, 256 px, no Hub needed"})
        target.update(dict.fromkeys(roles, name))
    MANIFEST.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    try:
        load_manifest(MANIFEST)
    except Exception as error:
        print(f"(the manifest is not complete yet: {error})")


if __name__ == "__main__":
    raise SystemExit(main())
