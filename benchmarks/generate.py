"""How fast are pictures painted? Prints images per second against a peer and against the machine's own limit.

    python benchmarks/generate.py [--openvino] [--repeats 15]

Default weights (mobile family, 256 px): against openvino in the same run, converted from the same module (--openvino; pip
install openvino). StyleGAN2, 256 px, multiplier 2, random weights: against tests/reference/synthesis.py, which modulates
weights and convolves in groups as the public implementations do, in float32. Both tables say what share of the machine's
rate at multiplying matrices the multiply-adds of a picture take. The last line is one move of a slider, as Studio does it.
Runs interleave, so that a busy moment hits all alike; figures are medians.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ganji import latents
from ganji.networks.config import GeneratorConfig
from ganji.networks.generator import Generator, build_generator, use_channels_last
from ganji.recipe import Recipe
from ganji.studio import open_studio
from ganji.weights import load_generator
from tests.reference import synthesis as reference

BATCHES = (1, 4)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Run = Callable[[], object]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--openvino", action="store_true", help="compare with openvino, which must be installed")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--skip-stylegan2", action="store_true")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    rates = {name: matrix_rate(dtype) for name, dtype in DTYPES.items()}
    print("matrix multiply: " + ", ".join(f"{name} {rate:.0f} GMAC/s" for name, rate in rates.items()))
    mobile(args, rates)
    if not args.skip_stylegan2:
        stylegan2(args, rates)
    slider(args.repeats)
    return 0


def mobile(args: argparse.Namespace, rates: dict[str, float]) -> None:
    """The bundled emoji generator."""
    generator = load_generator("emoji-blend")
    runs: dict[tuple[str, str, int], Run] = {}
    for batch in BATCHES:
        w_plus = codes(generator, batch)
        for name, dtype in DTYPES.items():
            model = in_format(generator, dtype)
            runs["ganji", name, batch] = lambda model=model, w_plus=w_plus: model.synthesis(w_plus)
        if args.openvino:
            runs["openvino", "float32", batch] = openvino_run(generator, w_plus)
    table("default weights", runs, gmac_of(generator), rates, ("openvino", "float32"), args.repeats)


def stylegan2(args: argparse.Namespace, rates: dict[str, float]) -> None:
    """The public architecture, with random weights."""
    torch.manual_seed(0)
    generator = build_generator(GeneratorConfig("stylegan2", 256, channel_multiplier=2)).eval().requires_grad_(False)
    state = generator.state_dict()
    runs: dict[tuple[str, str, int], Run] = {}
    for batch in BATCHES:
        w_plus = codes(generator, batch)
        runs["grouped", "float32", batch] = lambda w_plus=w_plus: reference.stylegan2(state, None, w_plus, 256)
        for name, dtype in DTYPES.items():
            model = in_format(generator, dtype)
            runs["ganji", name, batch] = lambda model=model, w_plus=w_plus: model.synthesis(w_plus)
    table(
        "StyleGAN2, 256 px, multiplier 2",
        runs,
        gmac_of(generator),
        rates,
        ("grouped", "float32"),
        max(3, args.repeats // 3),
    )


def slider(repeats: int) -> None:
    """One move of a slider: the recipe, the code, the picture, as the page does it."""
    studio = open_studio("cpu")
    names = studio.directions["emoji"]
    strengths = [(0.5 * k,) for k in range(1, repeats + 1)] if len(names) else [()] * repeats
    seconds = []
    for k, moved in enumerate(strengths):
        start = time.perf_counter()
        studio.render(Recipe("emoji", seed=7, strengths=tuple(min(value, 10.0) for value in moved)))
        if k:
            seconds.append(time.perf_counter() - start)
    print(f"\none slider move: {1000 * statistics.median(seconds):.0f} ms (target: 100 ms)")


def codes(generator: Generator, batch: int) -> torch.Tensor:
    """[batch, num_ws, w_dim]."""
    return latents.to_w_plus(latents.w_from_seeds(generator, range(batch)), generator.config.num_ws).contiguous()


def gmac_of(generator: Generator) -> float:
    """Multiply-adds of one picture, in 10^9, counted by PyTorch."""
    with FlopCounterMode(display=False) as counter:
        generator.synthesis(codes(generator, 1))
    return counter.get_total_flops() / 2e9


def in_format(generator: Generator, dtype: torch.dtype) -> Generator:
    """A copy as Studio holds it."""
    model = copy.deepcopy(generator).to(dtype)
    use_channels_last(model)
    return model


def openvino_run(generator: Generator, w_plus: torch.Tensor) -> Run:
    """The same network, converted and compiled for latency in float32."""
    import openvino

    class Synthesis(torch.nn.Module):
        """The same layers in the same order, without the shape checks that tracing cannot follow."""

        def __init__(self) -> None:
            super().__init__()
            self.generator = copy.deepcopy(generator)

        def forward(self, w: torch.Tensor) -> torch.Tensor:
            g = self.generator
            x, row = g.conv(g.input.expand(w_plus.shape[0], -1, -1, -1), w[:, 0], "const", None), 1
            for block in g.blocks:
                x, row = block(x, w[:, row : row + 3], "const", None), row + 3
            return g.to_rgbs[str(g.config.img_resolution)](x, w[:, row])

    with torch.enable_grad():  # the path that writes into slices cannot be traced
        traced = torch.jit.trace(Synthesis(), w_plus, check_trace=False)
    model = openvino.convert_model(traced, example_input=w_plus, input=[tuple(w_plus.shape)])
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    array = w_plus.numpy()
    difference = torch.from_numpy(compiled(array)[0]) - generator.synthesis(w_plus)
    print(f"openvino, batch {len(w_plus)}: largest difference {float(difference.abs().max()):.1e}")
    return lambda: compiled(array)


def table(
    title: str,
    runs: dict[tuple[str, str, int], Run],
    gmac: float,
    rates: dict[str, float],
    peer: tuple[str, str],
    repeats: int,
) -> None:
    """Time all runs in turns and print them."""
    seconds: dict[tuple[str, str, int], list[float]] = {key: [] for key in runs}
    for k in range(repeats + 1):
        for key, run in runs.items():
            start = time.perf_counter()
            run()
            if k:
                seconds[key].append(time.perf_counter() - start)
    print(f"\n{title}\n| | format | batch | ms an image | images/s | x {peer[0]} | share of matrix rate |")
    print("|---|---|---|---|---|---|---|")
    for (who, name, batch), taken in seconds.items():
        each = statistics.median(taken) / batch
        base = seconds.get((*peer, batch))
        ratio = f"{statistics.median(base) / batch / each:.2f}" if base else "-"
        share = gmac / each / rates[name]
        print(f"| {who} | {name} | {batch} | {1000 * each:.1f} | {1 / each:.2f} | {ratio} | {share:.0%} |")


def matrix_rate(dtype: torch.dtype, side: int = 2048) -> float:
    """Multiply-adds a second of one large matrix product, in 10^9."""
    a, b = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
    a @ b
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return side**3 / min(seconds) / 1e9


if __name__ == "__main__":
    raise SystemExit(main())
