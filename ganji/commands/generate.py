"""Random emoji as one picture, four rows of five by default. Picture i is seed + i.

python -m ganji generate --seed 7 --out grid.png
python -m ganji generate --seed 7 --count 1 --out seven.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ganji.commands import common

COLUMNS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.add_seed(parser)
    parser.add_argument("--count", type=common.json_number, default=20, help="1 to 20")
    parser.add_argument("--out", type=Path, required=True, help="a .png file")
    common.add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Paint and write the grid."""
    from ganji import images, validate
    from ganji.studio import open_studio

    count = validate.integer("count", args.count, validate.COUNT)
    studio = open_studio(args.device)
    bar = common.ProgressBar(count, "painting")
    painted = []
    for item in studio.generate(args.seed, count, args.psi):
        painted.append(item)
        bar.update(len(painted))
    if count == 1:
        common.save_painted(painted[0], args.out)
    else:
        common.save_picture(images.grid([item.picture for item in painted], COLUMNS), args.out)
    first, last = painted[0].recipe.seed, painted[-1].recipe.seed
    print(f"{args.out.name}: seed {first}" + (f" to {last}" if count > 1 else ""))
    return 0
