"""Find the face code of a photo: the crop, the picture of the code, the code, and how good it is.

python -m ganji project --photo me.jpg --out me/
python -m ganji project --photo me.jpg --mode portrait --out me/
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ganji.commands import common
from ganji.errors import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--photo", type=Path, required=True, help="JPEG, PNG, WebP, GIF or AVIF with a face")
    add("--mode", choices=("fast", "portrait"), default="fast")
    add(
        "--out",
        type=Path,
        required=True,
        help="folder for aligned.png, reconstruction.png, code.safetensors, report.json",
    )
    add("--face", type=common.json_number, default=0, help="which of several faces, the largest is 0")
    common.add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Align, project, write."""
    import torch
    from safetensors.torch import save

    from ganji import validate
    from ganji.commands.face_code import SearchBar, find_face_code
    from ganji.studio import open_studio

    index = validate.integer("face", args.face, validate.Range(0, 99, 0))
    studio = open_studio(args.device)
    bar = SearchBar(args.mode)
    face = find_face_code(studio, args.photo, args.mode, bar.told, index)
    found = face.found
    bar.finish(found)
    report = {
        "verdict": found.verdict, "lpips": found.distance, "pixel_error": found.pixel_error, "steps": found.steps,
        "seconds": found.seconds, "device": found.device, "mode": found.mode, "weights": studio.weights_id,
    }  # fmt: skip
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(f"{args.out.name}/ cannot be made: {exc.strerror or 'input/output error'}.") from exc
    common.save_picture(face.aligned.picture, args.out / "aligned.png")
    common.save_picture(found.reconstruction, args.out / "reconstruction.png")
    code = save({"w_plus": torch.from_numpy(found.code.w_plus.copy())})
    common.write_bytes(code, args.out / "code.safetensors", (".safetensors",))
    common.write_bytes(json.dumps(report, indent=2).encode(), args.out / "report.json", (".json",))
    if face.note:
        print(face.note)
    print(face.sentence)
    return 0
