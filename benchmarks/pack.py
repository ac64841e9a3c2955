"""Do the emoji of a pack show what their labels say? Prints the table of docs/models/emoji-blend.md.

    python benchmarks/pack.py --count 20 --sheet packs.webp

A pack of every seed's random emoji (--kind emojified: of the seed's face, in the same four styles). The judge is that of
benchmarks/expression.py: the nearest (LPIPS, AlexNet) of all drawings of the rule table in the emoji's own set and colour, each
with the head turned to five sides, so that the nearest one also says where the emoji looks.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from ganji import images, latents
from ganji.data import emoji_sets
from ganji.data.compose import render
from ganji.data.matching import default_rules
from ganji.data.part_builder import load_part_set
from ganji.expressions_pack import EXPRESSIONS, OWN
from ganji.recipe import Recipe
from ganji.studio import Studio, open_studio

# A face of average size that shows nothing in particular; yaw is replaced.
PLAIN = {"gap": 0.1, "width": 0.95, "lift": 0.06, "left_eye": 0.31, "right_eye": 0.31, "pitch": 0.0}
YAWS = (-28.0, -14.0, 0.0, 14.0, 28.0)
# What each label may be: classes of eyes, classes of mouth (None: any), sign of the yaw (None: any).
WANTED = {
    "neutral": (None, {"neutral"}, None),
    "smile": (None, {"smile", "grin"}, None),
    "laugh": (None, {"laugh", "grin"}, None),
    "surprised": (None, {"o"}, None),
    "sad": (None, {"frown"}, None),
    "eyes closed": ({"happy", "narrow"}, None, None),
    "looking left": (None, None, -1),
    "looking right": (None, None, 1),
}
STYLES = ("noto-yellow", "fluent-yellow", "fluent-flat-yellow", "twemoji-yellow")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("emoji", "emojified"), default="emoji")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--sheet", type=Path, help="write all packs as one picture")
    parser.add_argument("--cache", type=Path, default=Path("data-cache/emoji"), help="folder for the emoji sets")
    args = parser.parse_args()
    studio, rules = open_studio(), default_rules()
    folder = emoji_sets.fetch(args.cache, rules.set_names)
    sets = {name: load_part_set(folder, name) for name in rules.set_names}
    right: Counter[str] = Counter()
    mistakes: dict[str, Counter[str]] = {label: Counter() for label in WANTED}
    rows = []
    for seed in range(args.first, args.first + args.count):
        recipe, style = recipe_of(studio, args.kind, seed)
        known, shown = drawings(rules, sets[style["set"]], style["colour"])
        members = [(label, studio.render(one).picture) for label, one in studio.pack(recipe)]
        found = nearest(studio, [picture for _, picture in members], known)
        rows.append([picture for _, picture in members])
        for (label, _), k in zip(members, found):
            if label != OWN:
                right[label] += fits(label, *shown[k])
                if not fits(label, *shown[k]):
                    mistakes[label]["/".join(map(str, shown[k]))] += 1
    print(f"{args.count} packs of kind {args.kind}\n| expression | shown as labelled | else shown as |\n|---|---|---|")
    for label in WANTED:
        others = ", ".join(f"{what} {n}" for what, n in mistakes[label].most_common(3))
        print(f"| {label} | {right[label]} of {args.count} | {others} |")
    print(f"| all | {100 * sum(right.values()) / (args.count * len(WANTED)):.0f} % | |")
    if args.sheet:
        sheet(rows).save(args.sheet, quality=85)
    return 0


def recipe_of(studio: Studio, kind: str, seed: int) -> tuple[Recipe, dict[str, str]]:
    """What a pack is made of, and its drawing set and colour."""
    if kind == "emojified":
        style = STYLES[seed % len(STYLES)]
        set_name, _, colour = style.rpartition("-")
        return studio.emojified(seed=seed, style=style), {"set": set_name, "colour": colour}
    assert studio.codebook is not None
    recipe = Recipe("emoji", seed=seed, weights=studio.weights_id)
    return recipe, studio.codebook.read(latents.w_from_seeds(studio.emoji, [seed]))[0]


def drawings(rules, part_set, colour):  # type: ignore[no-untyped-def]
    """([N, 3, 256, 256], what each shows: (eyes, mouth, yaw))."""
    shown = [(e, m, yaw) for e in rules.names("eyes") for m in rules.names("mouth") for yaw in YAWS]
    drawn = [
        render(rules.draw(rules.match({**PLAIN, "yaw": yaw}, eyes, mouth), part_set, colour), 256)
        for eyes, mouth, yaw in shown
    ]
    return images.to_tensor(drawn), shown


@torch.no_grad()
def nearest(studio: Studio, pictures: list[Image.Image], known: torch.Tensor) -> list[int]:
    """Which drawing is nearest to each picture."""
    lpips = studio.perceptual
    taps = [lpips.embed(chunk) for chunk in known.split(24)]
    found = []
    for picture in pictures:
        own = lpips.embed(images.to_tensor(picture))
        distances = [lpips.compare([tap.expand_as(other) for tap, other in zip(own, chunk)], chunk) for chunk in taps]
        found.append(int(torch.cat([d.flatten() for d in distances]).argmin()))
    return found


def fits(label: str, eyes: str, mouth: str, yaw: float) -> bool:
    """Whether a drawing shows what a label says."""
    wanted_eyes, wanted_mouth, side = WANTED[label]
    return (
        (wanted_eyes is None or eyes in wanted_eyes)
        and (wanted_mouth is None or mouth in wanted_mouth)
        and (side is None or yaw * side > 0)
    )


def sheet(rows: list[list[Image.Image]], tile: int = 96) -> Image.Image:
    """One row per pack, in the table's order."""
    result = Image.new("RGB", (tile * len(EXPRESSIONS), tile * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            result.paste(picture.resize((tile, tile), Image.Resampling.LANCZOS), (x * tile, y * tile))
    return result


if __name__ == "__main__":
    raise SystemExit(main())
