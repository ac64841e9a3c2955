"""Is what the face generator paints a face? Prints the figure of docs/models/face.md.

    python benchmarks/face.py --count 200 --psi 0.7

MTCNN looks at pictures of seeds that no model was trained on; a face counts from a probability of 0.95.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ganji.data.seeds import RESERVED
from ganji.detect import MTCNNDetector
from ganji.recipe import Recipe
from ganji.studio import open_studio

LEAST = 0.95  # probability


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--psi", type=float, default=0.7)
    args = parser.parse_args()
    studio, detect = open_studio(), MTCNNDetector()
    missed = []
    for seed in RESERVED[: args.count]:
        picture = studio.render(Recipe("face", seed=seed, truncation_psi=args.psi)).picture
        best = max((face.probability for face in detect(picture)), default=0.0)
        if best < LEAST:
            missed.append(f"{seed} ({best:.2f})")
    share = 1 - len(missed) / args.count
    print(f"MTCNN finds a face (p >= {LEAST}) in {share:.1%} of {args.count} pictures at psi {args.psi}")
    print("not in: " + (", ".join(missed) or "none is left out"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
