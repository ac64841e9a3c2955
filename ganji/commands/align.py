"""Crop a photo's largest face as the face generator knows it: upright, square, eyes and mouth in their usual places.

python -m ganji align --photo me.jpg --out aligned.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ganji.commands import common


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--photo", type=Path, required=True)
    add("--out", type=Path, required=True, help="a .png file")
    add("--size", type=int, default=256, choices=(64, 128, 256, 512, 1024))
    add("--face", type=int, default=1, help="which face, by size; 1 is the largest")


def run(args: argparse.Namespace) -> int:
    """Find, crop and write."""
    from ganji.align import align_face, largest_note
    from ganji.detect import MTCNNDetector
    from ganji.photos import open_photo

    aligned = align_face(open_photo(args.photo), MTCNNDetector(), args.size, face_index=args.face - 1)
    common.save_picture(aligned.picture, args.out)
    print(f"{args.out.name}: {largest_note(aligned.num_faces) or 'one face'}")
    return 0
