"""Do the emoji show the expressions of their faces? Prints the agreement table of docs/models/emoji-blend.md.

    python benchmarks/expression.py                          # bundled models, every cut point, seeds 4200 to 4399
    python benchmarks/expression.py --emoji-blend runs/x/generator.safetensors --cuts 0 --styles 1

The faces' own expressions were measured once with MediaPipe (benchmarks/data, `data expressions`), on the pictures of
`random-face` or, with --faces ours, on those of our face generator (five views each, scripts/face_mesh.py). The emoji sets
are fetched with `npm pack` into --cache. Rows: as it comes = codes that do not settle before they are drawn (settle.py);
constant = always the commonest drawing; 2022 = the original's setting, style from row 2 on and taken from another random code.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ganji import latents
from ganji.blend import BlendCut, blend_generators, blend_presets
from ganji.data import emoji_sets
from ganji.data.agreement import Agreement, Judge
from ganji.data.expressions import Expressions
from ganji.data.matching import default_rules
from ganji.data.part_builder import load_part_set
from ganji.data.seeds import RESERVED, TEST_FACES
from ganji.networks.generator import Generator
from ganji.settle import Settler
from ganji.weights import load_generator, open_store

DATA = Path(__file__).parent / "data"
EXPRESSIONS = {
    "random-face": DATA / "expressions_4200_5199.npz",
    "ours": DATA / "expressions_ours_4200_5199.npz",
}  # RESERVED
STYLES = (("noto", "yellow"), ("fluent", "yellow"), ("fluent-flat", "yellow"), ("twemoji", "yellow"))
STYLE_ROW_2022 = 2

Painter = Callable[[torch.Tensor, str, str, int], torch.Tensor]  # (w of the face, set, colour, seed) -> picture


def main() -> int:
    args = parse()
    rules, expressions = default_rules(), Expressions.load(EXPRESSIONS[args.faces])
    store, bundle = open_store()
    distance = store.perceptual(bundle.roles["perceptual"])
    book = store.codebook(bundle.roles["codebook"])
    face, emoji = load_generator("face"), load_generator(args.emoji_blend)
    part_sets = {name: load_part_set(emoji_sets.fetch(args.cache), name) for name in rules.set_names}
    judge = Judge(rules, part_sets, distance)
    seeds = [s for s in range(args.first, args.first + args.count) if expressions.found[s - RESERVED.start]]
    codes = latents.w_from_seeds(face, seeds)
    start = time.monotonic()
    known = store.expression_map(args.map or bundle.roles["expression_map"])
    painters = painters_of(face, emoji, Settler(book, known, latents.w_statistics(face)), args.cuts)
    tables = {name: Agreement(rules) for name in (*painters, "constant")}
    for w, seed in zip(codes.split(1), seeds):
        measures = expressions.row(seed - RESERVED.start)
        for k in range(args.styles):
            set_name, colour = STYLES[(seed + k) % len(STYLES)]
            drawings = judge.drawings(measures, set_name, colour)
            pictures = [paint(w, set_name, colour, seed) for paint in painters.values()]
            constant = drawings[judge.pairs.index(("open", "neutral"))][None]
            for name, verdict in zip(tables, judge.judge(torch.cat([*pictures, constant]), measures, set_name, colour)):
                tables[name].add(measures, verdict)
    print(f"{len(seeds)} faces, {args.styles} of {len(STYLES)} styles each, {time.monotonic() - start:.0f} s")
    print("| setting | mouth | eyes | worst class | LPIPS to own drawing |\n|---|---|---|---|---|")
    for name, table in tables.items():
        print(f"| {name} {table.to_row()}")
    best = next(iter(tables.values()))
    print(f"\nmouth, {next(iter(tables))}\n{best.mouth.to_text()}\n\neyes\n{best.eyes.to_text()}")
    return 0


def painters_of(face: Generator, emoji: Generator, settler: Settler, cuts: list[int] | None) -> dict[str, Painter]:
    """The settings to compare, by name; the pure emoji first."""
    book = settler.codebook
    assert book is not None
    num_ws, style_row = emoji.config.num_ws, emoji.config.style_row or emoji.config.num_ws
    found: dict[str, Painter] = {}

    def at_cut(generator: Generator, kind: str = "emojified") -> Painter:
        def paint(w: torch.Tensor, set_name: str, colour: str, seed: int) -> torch.Tensor:
            fine = latents.to_w_plus(book.code({"set": set_name, "colour": colour}), num_ws)
            w_plus = latents.mix(latents.to_w_plus(w, num_ws), fine, style_row)
            return synthesize(generator, settler.settle(kind, w_plus, style_row))

        return paint

    def as_in_2022(w: torch.Tensor, set_name: str, colour: str, seed: int) -> torch.Tensor:
        reference = latents.w_from_seeds(emoji, [seed + 1_000_000])
        rows = [latents.to_w_plus(code, num_ws) for code in (w, reference)]
        return synthesize(emoji, latents.mix(*rows, STYLE_ROW_2022))

    for preset in blend_presets(face.config):
        layers = preset.cut.num_face_layers
        if preset.cut.strength == 1 and (cuts is None or layers in cuts):
            generator = emoji if layers == 0 else blend_generators(face, emoji, BlendCut(layers))
            found[f"{layers} face layers"] = at_cut(generator)
    found["as it comes"] = at_cut(emoji, kind="face")
    found["2022"] = as_in_2022
    return found


@torch.no_grad()
def synthesize(generator: Generator, w_plus: torch.Tensor) -> torch.Tensor:
    """The picture, clamped to [-1, 1]."""
    return generator.synthesis(w_plus).clamp(-1, 1)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emoji-blend", default="emoji-blend", help="a generator: an id of the manifest, or a file")
    parser.add_argument("--map", help="an expression map: an id of the manifest (the bundle's)")
    parser.add_argument("--faces", choices=sorted(EXPRESSIONS), default="random-face", help="whose expressions")
    parser.add_argument("--first", type=int, default=TEST_FACES.start)
    parser.add_argument("--count", type=int, default=len(TEST_FACES))
    parser.add_argument("--styles", type=int, default=len(STYLES), help="styles per face (4)")
    parser.add_argument("--cuts", type=int, nargs="*", help="numbers of face layers (all presets)")
    parser.add_argument("--cache", type=Path, default=Path("data-cache/emoji"), help="folder for the emoji sets")
    args = parser.parse_args()
    np.seterr(all="ignore")
    return args


if __name__ == "__main__":
    raise SystemExit(main())
