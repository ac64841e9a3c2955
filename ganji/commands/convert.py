"""Turn someone else's checkpoint into a file of ours.

    python -m ganji convert stylegan2-ffhq-256.pt --out weights/mine/face.safetensors

Reads rosinality .pt files (g_ema or g), NVlabs stylegan2-ada-pytorch .pkl files and the data folder of the random-face
package. No code in them runs. With --bundle and --role, the file is also listed in the manifest, so that

    GANJI_BUNDLE=mine python app.py

uses it: see docs/weights.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from ganji import convert, manifest_edit
from ganji.checksums import short_name
from ganji.errors import InputError
from ganji.weights import Settings

GENERATOR_ROLES = ("face", "emoji", "emoji_blend")
UNKNOWN_LICENCE = "unknown: ask its makers what they allow"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("source", type=Path, help=".pt, .pkl, or the data folder of random-face")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--half", action="store_true", help="store float16: half the size, pictures nearly the same")
    parser.add_argument("--role", choices=GENERATOR_ROLES, help="what it shall be in the bundle")
    add_listing_arguments(parser)


def add_listing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what listing a file in the manifest takes."""
    parser.add_argument("--bundle", help="also list it in the manifest, in this bundle (new ones are made)")
    parser.add_argument("--licence", default=UNKNOWN_LICENCE, help="what its makers allow, for the manifest")
    parser.add_argument("--manifest", type=Path, help="another manifest than GANJI_MANIFEST or weights_manifest.json")


def prepare_output(args: argparse.Namespace) -> None:
    """Make the output's folder. Raises InputError for an output that cannot be written or listed as wished."""
    if args.out.suffix != ".safetensors":
        raise InputError(f"--out must end in .safetensors, unlike {short_name(args.out)!r}.")
    if (args.bundle is None) != (args.role is None):
        raise InputError("--bundle and --role go together.")
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(f"The folder for {short_name(args.out)} cannot be made.") from exc


def list_file(args: argparse.Namespace, title: str, config: dict[str, object] | None = None) -> None:
    """List the written file in the manifest, if that is wished."""
    if args.bundle is None:
        return
    manifest = args.manifest or Settings.from_environment().manifest
    name = manifest_edit.add_file(
        manifest,
        args.out,
        bundle=args.bundle,
        role=args.role,
        title=title,
        licence=args.licence,
        source=f"converted from {short_name(args.source)}",
        config=config,
    )
    print(f"{short_name(manifest)}: {name} is {args.role} of bundle {args.bundle}")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    prepare_output(args)
    config = convert.convert(args.source, args.out, dtype=torch.float16 if args.half else torch.float32)
    title = f"{config.family}, {config.img_resolution} px"
    size = args.out.stat().st_size / 1e6
    print(f"{short_name(args.out)}: {title}, {config.num_ws} rows of w_plus, {size:.1f} MB")
    list_file(args, title, config.to_dict())
    return 0
