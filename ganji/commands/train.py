"""Train a generator: from a teacher's pictures, from paired pictures, against a discriminator, or several at once.

    python -m ganji train --target paired --data runs/pairs --validation runs/pairs-test --init weights/face.safetensors \\
        --style-row 7 --stage 64:60000:32 --stage 128:100000:16 --stage 256:30000:8 --out runs/emoji-blend

The run's folder holds checkpoints, log.jsonl, TensorBoard logs, sample sheets and `generator.safetensors`, the averaged
generator. Ctrl-C or kill -9 lose the steps since the last checkpoint; --resume goes on where it was, exactly.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganji.errors import InputError, TrainingError
from ganji.networks.config import GeneratorConfig
from ganji.networks.discriminator import Discriminator
from ganji.networks.generator import Generator, build_generator
from ganji.networks.mobile import MobileGenerator


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--target", required=True, choices=("teacher", "paired", "adversarial"))
    add("--data", required=True, type=Path, help="folder of `python -m ganji data`")
    add("--validation", type=Path, help="held-out folder of the same kind")
    add("--out", required=True, type=Path, help="folder of the run")
    add("--init", required=True, help="generator to start from: a manifest name or a file")
    add("--fresh", action="store_true", help="take only the architecture of --init: no weight of it is in the result")
    add("--discriminator", type=Path, help="discriminator to start from (safetensors)")
    add("--stage", action="append", default=[], metavar="RESOLUTION:IMAGES:BATCH")
    add("--resume", action="store_true", help="go on from the newest checkpoint in --out")
    add("--style-row", type=int, help="rows from here on read the style code")
    add("--resolution", type=int, help="cut a larger generator down to pictures of this side, with a new output head")
    add("--preview", type=int, nargs="*", help="sides of small pictures with an output head of their own")
    add("--fit-heads", action="store_true", help="start output heads from a least-squares fit")
    add("--zero-noise", action="store_true", help="start with empty noise maps (drawings are flat)")
    add("--train", nargs="+", default=["*"], metavar="PATTERN", help="parameters that are trained")
    add("--learning-rate", type=float, default=2.5e-3)
    add("--final-learning-rate", type=float, default=0.03)
    add("--preview-weight", type=float, default=0.25)
    add("--adversarial-weight", type=float, default=0.0)
    add("--discriminator-learning-rate", type=float, default=2e-3)
    add("--r1-gamma", type=float, default=1.0)
    add("--freeze-d", type=int, default=0)
    add("--style-mixing", type=float, default=0.0)
    add("--ema-images", type=float, default=2000.0)
    add("--seed", type=int, default=0)
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    add("--compile", action="store_true", help="fuse operations with torch.compile (needs a C++ compiler)")
    add("--checkpoint-images", type=int, default=4000)
    add("--sample-images", type=int, default=8000)
    add("--minutes", type=float, help="stop, with a checkpoint, after this long")
    add("--threads", type=int, help="processor threads")


def run(args: argparse.Namespace) -> int:
    """Run or resume the training."""
    from ganji.training.loop import Trainer
    from ganji.training.options import Stage, TrainOptions
    from ganji.training.pictures import PictureFolder

    if args.threads:
        torch.set_num_threads(args.threads)
    options = TrainOptions(
        target=args.target,
        stages=tuple(Stage.parse(text) for text in args.stage),
        learning_rate=args.learning_rate,
        final_learning_rate=args.final_learning_rate,
        train=tuple(args.train),
        preview_weight=args.preview_weight,
        adversarial_weight=args.adversarial_weight,
        discriminator_learning_rate=args.discriminator_learning_rate,
        r1_gamma=args.r1_gamma,
        freeze_d=args.freeze_d,
        style_mixing=args.style_mixing,
        ema_images=args.ema_images,
        seed=args.seed,
        precision=args.precision,
        compile=args.compile,
        checkpoint_images=args.checkpoint_images,
        sample_images=args.sample_images,
    )
    pictures = PictureFolder(args.data)
    validation = PictureFolder(args.validation, minimum=1) if args.validation else None
    generator = _generator(args, pictures)
    discriminator = _discriminator(args, generator.config) if options.adversarial_weight > 0 else None
    distance = None if args.target == "adversarial" and validation is None else _perceptual()
    args.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(generator, pictures, distance, options, discriminator=discriminator)
    _resume(trainer, args)
    return _loop(trainer, validation, args)


def _generator(args: argparse.Namespace, pictures) -> Generator:  # type: ignore[no-untyped-def]
    """The generator to start from, with the changes that the options ask for."""
    from ganji.training.head_fit import fit_heads
    from ganji.weights import load_generator

    parent = load_generator(args.init)
    if args.fresh:
        torch.manual_seed(args.seed)
        parent = build_generator(parent.config).eval().requires_grad_(False)
    changes: dict[str, Any] = {}
    if args.resolution is not None:
        if args.resolution > parent.config.img_resolution:
            raise InputError(
                f"--init makes {parent.config.img_resolution} px; it cannot be cut to {args.resolution} px."
            )
        changes["img_resolution"] = args.resolution
    if args.style_row is not None:
        changes["style_row"] = args.style_row
    if args.preview is not None:
        changes["preview_resolutions"] = tuple(args.preview)
    generator = parent if not changes else _with_config(parent, replace(parent.config, **changes))
    if args.zero_noise:
        for name, parameter in generator.named_parameters():
            if name.endswith(".noise"):
                torch.nn.init.zeros_(parameter)
    if args.fit_heads:
        if not isinstance(generator, MobileGenerator):
            raise InputError("--fit-heads is for the mobile family.")
        fit_heads(generator, pictures)
    return generator


def _with_config(parent: Generator, config: GeneratorConfig) -> Generator:
    """The same weights in a generator with other preview heads or another style row."""
    generator = build_generator(config)
    known = parent.state_dict()
    generator.load_state_dict({name: known.get(name, tensor) for name, tensor in generator.state_dict().items()})
    return generator.eval().requires_grad_(False)


def _discriminator(args: argparse.Namespace, config: GeneratorConfig) -> Discriminator:
    """A residual discriminator, small enough for a processor, fresh or from a file."""
    from safetensors.torch import load_file

    torch.manual_seed(args.seed)
    small = GeneratorConfig("stylegan2", config.img_resolution, channel_base=8192, channel_max=256)
    discriminator = Discriminator(small)
    if args.discriminator is not None:
        try:
            discriminator.load_state_dict(load_file(args.discriminator))
        except (OSError, RuntimeError) as exc:
            raise TrainingError(
                f"{args.discriminator.name} is no discriminator of {config.img_resolution} px."
            ) from exc
    return discriminator


def _perceptual():  # type: ignore[no-untyped-def]
    """The LPIPS network of the bundle."""
    from ganji.weights import open_store

    store, bundle = open_store()
    return store.perceptual(bundle.roles["perceptual"])


def _resume(trainer, args: argparse.Namespace) -> None:  # type: ignore[no-untyped-def]
    from ganji.training import checkpoint

    newest = checkpoint.newest(args.out)
    if newest is not None and not args.resume:
        raise InputError(f"{args.out.name}/ holds a run already; add --resume, or choose another folder.")
    if newest is not None:
        trainer.resume(newest)
        print(f"resumed {newest.name} at step {trainer.step}", flush=True)


def _loop(trainer, validation, args: argparse.Namespace) -> int:  # type: ignore[no-untyped-def]
    """Train, print, save. Returns the exit code."""
    from ganji.formats import native
    from ganji.training.report import Report

    report, start, options = Report(args.out), time.monotonic(), trainer.options

    def save(images: int, resolution: int) -> None:
        trainer.save(args.out)
        words = [Path(word).name if word.startswith("/") else word for word in sys.argv[1:]]  # no path of this machine
        info = {"recipe": " ".join(words)[:2000], "images": images}
        native.write_generator(args.out / "generator.safetensors", trainer.ema, info=info)
        if validation is not None:
            scores = trainer.evaluate(validation, resolution)
            report.write("validation", images, resolution=resolution, **scores)
            print(f"{images:>8} images  held out: l1 {scores['l1']:.4f}  lpips {scores['lpips']:.4f}", flush=True)

    try:
        for step in trainer.steps():
            batch = options.at(step.index)[0].batch_size
            if line := report.step(step, batch):
                print(line, flush=True)
            late = args.minutes is not None and time.monotonic() - start > 60 * args.minutes
            done = trainer.step == options.total_steps or late
            for every, act in ((options.sample_images, "sample"), (options.checkpoint_images, "save")):
                if done or step.images // every > (step.images - batch) // every:
                    if act == "sample":
                        report.samples(trainer, validation, step.images, step.resolution)
                    else:
                        save(step.images, step.resolution)
            if late:
                print("time is up; --resume goes on", flush=True)
                break
    finally:
        report.close()
    return 0
