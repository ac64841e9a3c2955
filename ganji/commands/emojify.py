"""A face as an emoji: a random one, or the face of a photo.

python -m ganji emojify --photo me.jpg --out emoji.png
python -m ganji emojify --photo me.jpg --mode portrait --style twemoji-blue --out emoji.png --all-pictures
python -m ganji emojify --seed 4203 --out emoji.png
python -m ganji emojify --photos holiday/ --out emoji/ --jobs 2

--photos does a whole folder, and goes on where it was when it is run again: a line per photo stands in emoji/results.jsonl
(photo, sha256, out, status, verdict, or code and error). A photo that cannot be used stops nothing; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganji import project, validate
from ganji.commands import common, folder_run
from ganji.commands.face_code import FaceCode, SearchBar, find_face_code
from ganji.recipe import to_json
from ganji.studio import Studio


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--photo", type=Path, help="JPEG, PNG, WebP, GIF or AVIF with a face")
    source.add_argument("--photos", type=Path, metavar="FOLDER", help="all photos of a folder")
    source.add_argument("--seed", type=common.json_number, help="a random face")
    add = parser.add_argument
    add("--psi", type=common.json_number, default=0.7, help="truncation of the random face")
    add("--mode", choices=("fast", "portrait"), default="fast", help="how closely the photo's code is looked for")
    add("--out", type=Path, required=True, help="a .png file; with --photos a folder, made if need be")
    add("--jobs", type=int, default=1, help="photos done at one time, with --photos")
    add("--all-pictures", action="store_true", help="also write the aligned photo and the reconstruction beside it")
    add("--save-code", action="store_true", help="also write a recipe file with the face code, to make the emoji again")
    common.add_blend(parser)
    common.add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Make and write the emoji."""
    from ganji.studio import open_studio

    if args.photos is not None:
        return _folder(args)
    studio = open_studio(args.device)
    choices = _choices(args)
    if args.photo is None:
        recipe = studio.emojified(seed=args.seed, truncation_psi=args.psi, **choices)
        common.save_painted(studio.render(recipe), args.out)
        print(f"{args.out.name}: {recipe.to_text()}")
        return 0
    studio.emojified(seed=0, **choices)  # bad choices are refused before the long part
    bar = SearchBar(args.mode)
    face = _photo(studio, args, args.photo, args.out, bar.told)
    bar.finish(face.found)
    if face.note:
        print(face.note)
    print(f"{args.out.name}: {face.sentence}")
    return 0


def _choices(args: argparse.Namespace) -> dict[str, Any]:
    return {"num_face_layers": args.cut, "blend_strength": args.strength, "style": args.style}


def _photo(
    studio: Studio, args: argparse.Namespace, photo: Path, out: Path, told: Callable[[project.ProjectionStep], object]
) -> FaceCode:
    """Make and write the emoji of one photo, its own files last.

    Args:
        told: called with every step of the projection.
    """
    face = find_face_code(studio, photo, args.mode, told)
    code = face.found.code
    recipe = studio.emojified(code=code, **_choices(args))
    painted = studio.render(recipe, code)
    if args.all_pictures:
        common.save_picture(face.aligned.picture, out.with_stem(out.stem + "-aligned"))
        common.save_picture(face.found.reconstruction, out.with_stem(out.stem + "-reconstruction"))
    if args.save_code:
        common.write_bytes(to_json(recipe, code).encode(), out.with_suffix(".json"), (".json",))
    common.save_painted(painted, out)
    return face


def _folder(args: argparse.Namespace) -> int:
    """Make and write the emoji of a folder's photos.

    Returns:
        0 if every photo has its emoji, 1 if some photos cannot be used.
    """
    import torch

    from ganji.studio import open_studio

    jobs = validate.integer("--jobs", args.jobs, validate.Range(1, folder_run.MAX_JOBS, 1))
    folder_run.list_photos(args.photos)  # before the models are loaded
    studio = open_studio(args.device)
    studio.emojified(seed=0, **_choices(args))
    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))

    def emojify(photo: Path, out: Path, stop: threading.Event) -> dict[str, Any]:
        def check(step: project.ProjectionStep) -> None:
            if stop.is_set():
                raise folder_run.Stopped

        face = _photo(studio, args, photo, out, check)
        found = face.found
        return {"verdict": found.verdict, "lpips": round(found.distance, 4), "steps": found.steps, "note": face.note}

    choices = {"mode": args.mode, **_choices(args), "weights": studio.weights_id}
    summary = folder_run.run_folder(args.photos, args.out, choices, emojify, jobs=jobs)
    print(f"{args.out.resolve().name}: {summary.sentence()}")
    if summary.failed or summary.failed_before:
        print(f"{folder_run.RESULTS} says why photos failed.")
        return 1
    return 0
