"""Face-mesh landmarks of every picture in a folder, for `python -m ganji data expressions`.

    python3 -m venv .venv-mesh && .venv-mesh/bin/pip install -r requirements-mesh.txt
    .venv-mesh/bin/python scripts/face_mesh.py faces/ faces/mesh.npz
    .venv-mesh/bin/python scripts/face_mesh.py faces-test/ faces-test/mesh.npz --views 5

A tool for labelling training data, in an environment of its own because mediapipe wants numpy < 2; it imports nothing of
this project. Writes `files` (names, sorted) and `landmarks` [N, 478, 3] float32: x and y from 0 to 1 over the picture, z in
the same scale; NaN where no face was found. The mesh sees a picture turned or enlarged a little a little differently, so
the mean over several such views is nearer to the face than one is.
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
VIEWS = ((0.0, 1.0), (-5.0, 1.0), (5.0, 1.0), (0.0, 0.9), (0.0, 1.12))  # (degrees, enlargement) about the middle


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--views", type=int, choices=range(1, len(VIEWS) + 1), default=1, help="landmarks are their mean"
    )
    args = parser.parse_args()
    files = sorted(path for path in args.folder.iterdir() if path.suffix in SUFFIXES)
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True, max_num_faces=1, min_detection_confidence=0.3
    )
    landmarks = np.full((len(files), 478, 3), np.nan, np.float32)
    start = time.perf_counter()
    for k, path in enumerate(files):
        picture = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        seen = [view for view in (seen_from(mesh, picture, *view) for view in VIEWS[: args.views]) if view is not None]
        if seen:
            landmarks[k] = np.mean(seen, axis=0)
        if k % 500 == 499 or k + 1 == len(files):
            print(f"{k + 1}/{len(files)}  {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    np.savez_compressed(args.out, files=np.array([path.name for path in files]), landmarks=landmarks)
    print(f"found a face in {np.isfinite(landmarks[:, 0, 0]).mean():.1%} of {len(files)} pictures")
    return 0


def seen_from(mesh, picture, degrees, enlargement):
    """Landmarks [478, 3] of a picture that is turned and enlarged about its middle, turned back; None: no face."""
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), degrees, enlargement)
    if (degrees, enlargement) != (0.0, 1.0):
        picture = cv2.warpAffine(picture, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    found = mesh.process(picture).multi_face_landmarks
    if not found:
        return None
    points = np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float64)
    back = cv2.invertAffineTransform(turn)
    points[:, :2] = (points[:, :2] * SIDE) @ back[:, :2].T / SIDE + back[:, 2] / SIDE
    points[:, 2] /= enlargement
    return points


if __name__ == "__main__":
    raise SystemExit(main())
