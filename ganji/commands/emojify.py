"""A face as an emoji: a random one, or the face of a photo.

python -m ganji emojify --photo me.jpg --out emoji.png
python -m ganji emojify --photo me.jpg --mode portrait --style twemoji-blue --out emoji.png --all-pictures
python -m ganji emojify --seed 4203 --out emoji.png
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ganji.commands import common


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--photo", type=Path, help="JPEG, PNG, WebP, GIF or AVIF with a face")
    source.add_argument("--seed", type=common.json_number, help="a random face")
    add = parser.add_argument
    add("--psi", type=common.json_number, default=0.7, help="truncation of the random face")
    add("--mode", choices=("fast", "portrait"), default="fast", help="how closely the photo's code is looked for")
    add("--out", type=Path, required=True, help="a .png file")
    add("--all-pictures", action="store_true", help="also write the aligned photo and the reconstruction beside it")
    add("--save-code", action="store_true", help="also write a recipe file with the face code, to make the emoji again")
    common.add_blend(parser)
    common.add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Make and write the emoji."""
    from ganji.studio import open_studio

    studio = open_studio(args.device)
    choices = {"num_face_layers": args.cut, "blend_strength": args.strength, "style": args.style}
    if args.photo is None:
        recipe = studio.emojified(seed=args.seed, truncation_psi=args.psi, **choices)
        common.save_painted(studio.render(recipe), args.out)
        print(f"{args.out.name}: {recipe.to_text()}")
        return 0
    return _photo(studio, args, choices)


def _photo(studio, args: argparse.Namespace, choices: dict) -> int:  # type: ignore[no-untyped-def]
    from ganji import project
    from ganji.align import largest_note
    from ganji.photos import open_photo
    from ganji.recipe import to_json

    studio.emojified(seed=0, **choices)  # bad choices are refused before the long part
    start = time.monotonic()
    aligned = studio.align(open_photo(args.photo))
    if note := largest_note(aligned.num_faces):
        print(note)
    bar = common.ProgressBar(project.MODES[args.mode].num_steps, "projecting")
    step = None
    for step in studio.project(aligned.picture, args.mode):
        bar.update(step.index + 1, f"LPIPS {step.distance:.3f}")
    assert step is not None
    bar.finish(step.index + 1, f"LPIPS {step.distance:.3f}")
    found = studio.finish(aligned.picture, step, args.mode, time.monotonic() - start)
    recipe = studio.emojified(code=found.code, **choices)
    common.save_painted(studio.render(recipe, found.code), args.out)
    if args.all_pictures:
        common.save_picture(aligned.picture, args.out.with_stem(args.out.stem + "-aligned"))
        common.save_picture(found.reconstruction, args.out.with_stem(args.out.stem + "-reconstruction"))
    if args.save_code:
        data = to_json(recipe, found.code).encode()
        common.write_bytes(data, args.out.with_suffix(".json"), (".json",))
    print(
        f"{args.out.name}: {found.verdict} (LPIPS {found.distance:.3f}), {found.steps} steps, {found.seconds:.1f} s on {found.device}"
    )
    return 0
