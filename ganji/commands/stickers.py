"""An emoji as files for chat platforms: one of them, a moving one, or a zip of all with the credits.

    python -m ganji stickers --seed 7 --out seven.zip
    python -m ganji stickers --recipe emoji.png --platform slack --out slack.png
    python -m ganji stickers --face 4203 --platform whatsapp --move face --out face-to-emoji.webp
    python -m ganji stickers --list

A photo's emoji needs the recipe file that `emojify --save-code` wrote. --move takes "face" or a slider's number, which
`customize` lists.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ganji.commands import common
from ganji.errors import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.add_emoji(parser, required=False)
    add = parser.add_argument
    add("--platform", default="all", help="a name that --list shows, or all")
    add("--move", metavar="WHAT", help="an animation: face, or a slider's number")
    add("--out", type=Path, help="the file to write; its ending must be the platform's")
    add("--list", action="store_true", help="the platforms, their sizes and limits")
    common.add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Make and write the file."""
    from ganji import stickers
    from ganji.studio import open_studio
    from ganji.workshop import Workshop

    if args.list:
        for one in stickers.PLATFORMS.values():
            limit = f"below {one.max_bytes // stickers.KB} KB" if one.max_bytes else "no limit"
            moving = f", moving: {one.animated}" if one.animated else ""
            print(f"{one.name:<16} {one.size or 'full'} px {one.kind}, {limit}{moving}")
        return 0
    if args.out is None:
        raise InputError("--out is needed: the file to write.")
    if args.platform != "all":
        target = stickers.get_platform(args.platform)
        if args.move is not None:
            stickers.check_animated(target)
    studio = open_studio(args.device)
    recipe, code = common.emoji_recipe(args, studio)
    workshop = Workshop(studio)
    if args.platform == "all":
        file = common.last_of(workshop.everything(recipe, code, None if args.move is None else [args.move]), "packing")
    elif args.move is None:
        file = workshop.still(recipe, args.platform, code)
    else:
        frames, holds = common.last_of(workshop.frames(recipe, args.move, code), "painting")
        file = workshop.animated(frames, holds, args.out.stem, args.platform)
    common.write_bytes(file.data, args.out, (Path(file.name).suffix,))
    print(f"{args.out.name}: {len(file.data)} bytes")
    return 0
