"""Face-mesh landmarks of every picture in a folder, for `python -m ganji data expressions`.

    python3 -m venv .venv-mesh && .venv-mesh/bin/pip install -r requirements-mesh.txt
    .venv-mesh/bin/python scripts/face_mesh.py faces/ faces/mesh.npz

A tool for labelling training data, in an environment of its own because mediapipe wants numpy < 2; it imports nothing of
this project. Writes `files` (names, sorted) and `landmarks` [N, 478, 3] float32: x and y from 0 to 1 over the picture, z in
the same scale; NaN where no face was found.
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import mediapipe
import numpy as np

SIDE = 512  # px; the mesh network wants more pixels than a 256 px picture has
SUFFIXES = (".jpg", ".png", ".webp")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    files = sorted(path for path in args.folder.iterdir() if path.suffix in SUFFIXES)
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True, max_num_faces=1, min_detection_confidence=0.3
    )
    landmarks = np.full((len(files), 478, 3), np.nan, np.float32)
    start = time.perf_counter()
    for k, path in enumerate(files):
        picture = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        found = mesh.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).multi_face_landmarks
        if found:
            landmarks[k] = [(p.x, p.y, p.z) for p in found[0].landmark]
        if k % 500 == 499 or k + 1 == len(files):
            print(f"{k + 1}/{len(files)}  {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    np.savez_compressed(args.out, files=np.array([path.name for path in files]), landmarks=landmarks)
    print(f"found a face in {np.isfinite(landmarks[:, 0, 0]).mean():.1%} of {len(files)} pictures")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
