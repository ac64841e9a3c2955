"""A pack of emoji, all of one face: its own expression, neutral, smiling, laughing, surprised, sad, and looking about.

    python -m ganji pack --seed 7 --out pack.zip
    python -m ganji pack --face 4203 --out pack.zip --sheet pack.png --animation pack.webp
    python -m ganji pack --recipe emoji.json --out pack.zip

A photo's emoji needs the recipe file that `emojify --save-code` wrote.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ganji.commands import common


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.add_emoji(parser, required=True)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="a .zip file")
    add("--sheet", type=Path, help="also write the contact sheet, a .png file")
    add("--animation", type=Path, help="also write an animation through all of them, a .webp file")
    common.add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Paint and write the pack."""
    from ganji.studio import open_studio
    from ganji.workshop import Workshop

    studio = open_studio(args.device)
    recipe, code = common.emoji_recipe(args, studio)
    workshop = Workshop(studio)
    members = list(workshop.pack(recipe, code))
    files = common.last_of(workshop.pack_files(members, code), "packing")
    for file, path in ((files.zip, args.out), (files.sheet, args.sheet), (files.animation, args.animation)):
        if path is not None:
            common.write_bytes(file.data, path, (Path(file.name).suffix,))
            print(f"{path.name}: {len(file.data)} bytes")
    print(", ".join(member.label for member in members))
    return 0
