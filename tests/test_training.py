"""Training: exact resume, the terms of the loss, schedules, refusals; each kind of target on a tiny generator."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ganji.errors import InputError, TrainingError
from ganji.formats import native
from ganji.networks.config import GeneratorConfig
from ganji.networks.discriminator import Discriminator
from ganji.perceptual import LPIPS
from ganji.training import checkpoint, losses
from ganji.training.head_fit import fit_heads
from ganji.training.learning_rate import schedule, tensor_scale
from ganji.training.loop import StepRandom, Trainer
from ganji.training.options import Stage, TrainOptions
from ganji.training.pictures import PictureFolder, write_codes, write_index
from ganji.training.precision import Twin
from tests.helpers import TINY, make_generator


def picture_folder(path, generator, count=60, seed=5):
    """Pictures that another generator of the same shape paints, with their codes."""
    path.mkdir(parents=True)
    config = generator.config
    rng = np.random.default_rng(seed)
    w = torch.from_numpy(rng.standard_normal((2, count, config.w_dim)).astype(np.float32))
    write_codes(path, w[0], w[1])
    entries = [{"file": f"{k:03d}.png"} for k in range(count)]
    write_index(path, config.img_resolution, entries)
    codes = PictureFolderCodes(w).w_plus(range(count), config)
    with torch.no_grad():
        pictures = generator.synthesis(codes).clamp(-1, 1)
    arrays = ((pictures + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    for entry, array in zip(entries, arrays):
        Image.fromarray(array).save(path / entry["file"])
    return path


class PictureFolderCodes:
    def __init__(self, w):
        self.w = w

    def w_plus(self, rows, config):
        row = config.style_row or config.num_ws
        coarse, fine = self.w[0][list(rows)], self.w[1][list(rows)]
        parts = coarse[:, None].expand(-1, row, -1), fine[:, None].expand(-1, config.num_ws - row, -1)
        return torch.cat(parts, dim=1)


@pytest.fixture
def data(tmp_path, family):
    teacher = make_generator(replace(TINY[family], style_row=3), seed=9)
    return PictureFolder(picture_folder(tmp_path / "data", teacher))


@pytest.fixture(scope="module")
def distance():
    torch.manual_seed(0)
    return LPIPS("alexnet").requires_grad_(False)


def options(target="paired", images=12, **changes):
    base = TrainOptions(
        target, (Stage(16, images, 3), Stage(32, images, 3)), precision="float32", learning_rate=0.01, warmup_steps=2
    )
    return replace(base, **changes)


def trainer(data, family, opts, distance, seed=1):
    torch.manual_seed(seed)
    generator = make_generator(replace(TINY[family], style_row=3), seed=seed)
    small = GeneratorConfig("stylegan2", 32, channel_base=256, channel_max=16)
    discriminator = Discriminator(small) if opts.adversarial_weight else None
    return Trainer(generator, data, distance, opts, discriminator=discriminator)


@pytest.mark.parametrize("target", ["paired", "adversarial", "both"])
def test_resume_repeats_the_interrupted_run_bit_for_bit(data, family, distance, tmp_path, target):
    opts = options("adversarial" if target == "adversarial" else "paired", adversarial_weight=0.0 if target == "paired" else 1.0,
                   r1_interval=2, style_mixing=0.5)  # fmt: skip
    if target == "adversarial":  # 16 px pictures have no discriminator of their own
        opts = replace(opts, stages=(Stage(32, 24, 3),))
    if target == "both":
        opts = replace(opts, stages=(Stage(32, 24, 3),))
    whole = trainer(data, family, opts, distance)
    for _ in whole.steps():
        pass
    part = trainer(data, family, opts, distance)
    for step in part.steps():
        if step.index == 4:
            break
    path = part.save(tmp_path)
    again = trainer(data, family, opts, distance, seed=77)
    again.resume(path)
    for _ in again.steps():
        pass
    for name, tensor in whole.ema.state_dict().items():
        assert torch.equal(tensor, again.ema.state_dict()[name]), name
    for name, tensor in whole.generator.state_dict().items():
        assert torch.equal(tensor, again.generator.state_dict()[name]), name


def test_paired_training_learns_the_pictures(data, family, distance):
    opts = options(images=150, learning_rate=0.02 if family == "mobile" else 0.01)
    run = trainer(data, family, opts, distance)
    before = run.evaluate(data, 32, count=24)["l1"]
    steps = list(run.steps())
    assert [s.resolution for s in (steps[0], steps[-1])] == [16, 32]
    assert steps[-1].images == opts.total_images
    assert run.evaluate(data, 32, count=24)["l1"] < 0.8 * before


def test_mapping_and_unnamed_parameters_stay_frozen(data, family, distance):
    opts = options(train=("*to_rgb*",))
    run = trainer(data, family, opts, distance)
    before = {n: p.clone() for n, p in run.generator.named_parameters()}
    for _ in run.steps():
        pass
    changed = {n for n, p in run.generator.named_parameters() if not torch.equal(p, before[n])}
    assert changed
    assert all("to_rgb" in name for name in changed)
    with pytest.raises(TrainingError, match="No parameter"):
        trainer(data, family, options(train=("nothing.*",)), distance)


def test_exploding_loss_ends_with_a_sentence(data, family, distance):
    run = trainer(data, family, options(images=300, learning_rate=1e8, warmup_steps=1), distance)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        for _ in run.steps():
            pass


def test_freezed_keeps_leading_blocks(data, family, distance):
    opts = options("paired", adversarial_weight=1.0, freeze_d=2, r1_interval=2)
    opts = replace(opts, stages=(Stage(32, 12, 3),))
    run = trainer(data, family, opts, distance)
    before = {n: p.clone() for n, p in run.discriminator.named_parameters()}
    for _ in run.steps():
        pass
    for name, parameter in run.discriminator.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith(("convs.0", "convs.1")), name


def test_bfloat16_twin_gives_the_master_its_gradients():
    torch.manual_seed(0)
    master = torch.nn.Linear(6, 4)
    twin = Twin(master, torch.bfloat16)
    x = torch.randn(5, 6)
    twin.refresh()
    twin.twin(x.bfloat16()).float().square().sum().backward()
    twin.collect_gradients()
    low, master.weight.grad = master.weight.grad, None
    master(x).square().sum().backward()
    assert low.dtype == torch.float32
    assert torch.allclose(low, master.weight.grad, rtol=0.05, atol=0.05)
    assert twin.twin.weight.grad is None


def test_r1_is_the_squared_gradient_norm():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 1))
    x = torch.randn(3, 3, 2, 2)
    expected = network[1].weight.square().sum()  # of a linear function: the same everywhere
    assert torch.allclose(losses.r1_penalty(network, x), expected)


def test_logistic_losses():
    real, fake = torch.tensor([[2.0], [0.0]]), torch.tensor([[-1.0], [3.0]])
    expected = (torch.log1p(torch.exp(-real)) + torch.log1p(torch.exp(fake))).mean()
    assert torch.allclose(losses.discriminator_loss(real, fake), expected)
    assert torch.allclose(losses.generator_loss(fake), torch.log1p(torch.exp(-fake)).mean())


def test_reconstruction_is_zero_for_equal_pictures_and_l1_otherwise(distance):
    a = torch.rand(2, 3, 40, 40) * 2 - 1
    rng = torch.Generator().manual_seed(0)
    assert [float(v) for v in losses.reconstruction(a, a, distance, rng)] == [0.0, 0.0]
    pixel, perceptual = losses.reconstruction(a, -a, distance, rng)
    assert torch.allclose(pixel, F.l1_loss(a, -a))
    assert float(perceptual) > 0


def test_schedule_and_scales():
    opts = TrainOptions("paired", (Stage(16, 100, 10), Stage(32, 100, 10)), warmup_steps=4, final_learning_rate=0.1)
    assert schedule(opts, 0) == 0.25
    assert [schedule(opts, k) for k in (4, 9, 10)] == [1, 1, 1]
    assert schedule(opts, 15) == pytest.approx(0.55)
    assert schedule(opts, 20) == pytest.approx(0.1)
    assert tensor_scale("stylegan2", "convs.0.conv.weight", torch.zeros(4, 9)) == 1
    assert tensor_scale("mobile", "conv.weight", torch.zeros(8, 4, 2, 2)) == pytest.approx(0.25)
    assert tensor_scale("mobile", "input", torch.zeros(1, 4, 4, 4)) == 0.3


def test_stages_and_positions():
    opts = TrainOptions("paired", (Stage.parse("16:25:10"), Stage.parse("32:10:5")))
    assert (opts.total_steps, opts.total_images) == (5, 40)
    assert [opts.at(k) for k in (0, 2, 3, 4)] == [
        (opts.stages[0], 0), (opts.stages[0], 20), (opts.stages[1], 30), (opts.stages[1], 35)]  # fmt: skip
    assert TrainOptions.from_dict(json.loads(json.dumps(opts.to_dict()))) == opts
    for text in ("16", "a:b:c", "16:0:1", "-1:5:5"):
        with pytest.raises(InputError, match="stage"):
            Stage.parse(text)


def test_step_random_depends_on_seed_and_step_only():
    a, b = StepRandom(3, 7), StepRandom(3, 7)
    assert a.numpy.random() == b.numpy.random()
    assert torch.equal(torch.rand(4, generator=a.torch), torch.rand(4, generator=b.torch))
    assert StepRandom(3, 8).numpy.random() != StepRandom(3, 7).numpy.random()


def test_least_squares_heads_beat_random_ones(tmp_path):
    teacher = make_generator(TINY["mobile"], seed=9)
    folder = PictureFolder(picture_folder(tmp_path / "data", teacher))
    student = make_generator(TINY["mobile"], seed=9)
    for head in student.to_rgbs.values():
        torch.nn.init.normal_(head.weight)
    w_plus = folder.codes().w_plus(range(30), student.config.num_ws, None)

    def error():
        return float((student.synthesis(w_plus) - folder.batch(range(30), 32)).square().mean())

    before = error()
    fit_heads(student, folder, count=60, stride=1)
    variance = float(folder.batch(range(30), 32).var())
    assert error() < 0.5 * min(before, variance)


def test_bad_folders(tmp_path):
    with pytest.raises(InputError, match=r"no index\.json"):
        PictureFolder(tmp_path)
    folder = picture_folder(tmp_path / "few", make_generator(TINY["mobile"]), count=10)
    with pytest.raises(InputError, match="at least 50"):
        PictureFolder(folder)
    PictureFolder(folder, minimum=1)
    folder = picture_folder(tmp_path / "broken", make_generator(TINY["mobile"]))
    (folder / "007.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"007\.png is no 32 px picture"):
        PictureFolder(folder)
    assert not list(folder.glob(".pixels*"))
    (folder / "007.png").unlink()
    shutil.copy(folder / "008.png", folder / "007.png")
    ok = PictureFolder(folder)
    with pytest.raises(InputError, match="cannot be shown"):
        ok.batch([0], 64)
    (folder / "codes.safetensors").unlink()
    with pytest.raises(InputError, match="codes"):
        ok.codes()


def test_checkpoint_of_another_architecture_and_full_disk(data, family, distance, tmp_path, monkeypatch):
    run = trainer(data, family, options(), distance)
    next(run.steps())
    path = run.save(tmp_path)
    other = "mobile" if family == "stylegan2" else "stylegan2"
    with pytest.raises(TrainingError, match="another architecture"):
        trainer(data, other, options(), distance).resume(path)
    (tmp_path / "junk.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(TrainingError, match="no training checkpoint"):
        run.resume(tmp_path / "junk.safetensors")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(TrainingError, match="disk is full"):
        run.save(tmp_path)
    assert checkpoint.newest(tmp_path) == path
    assert not list(tmp_path.glob(".*part"))


@pytest.mark.parametrize("target", ["paired", "adversarial"])
def test_kill_dash_nine_and_resume_on_the_command_line(tmp_path, target):
    """The real command, killed in the middle, resumed, and compared with an uninterrupted run."""
    teacher = make_generator(TINY["mobile"], seed=9)
    picture_folder(tmp_path / "data", teacher)
    native.write_generator(tmp_path / "start.safetensors", make_generator(TINY["mobile"], seed=1), dtype=torch.float32)

    def command(out, *more):
        return [sys.executable, "-m", "ganji", "train", "--target", target, "--data", str(tmp_path / "data"),
                "--init", str(tmp_path / "start.safetensors"), "--out", str(tmp_path / out), "--stage", "32:60:4",
                "--precision", "float32", "--threads", "1", "--checkpoint-images", "12", "--sample-images", "60",
                "--learning-rate", "0.001", *more]  # fmt: skip

    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command("whole"), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(command("killed"), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not list((tmp_path / "killed").glob("checkpoint-*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    refused = subprocess.run(command("killed"), env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "add --resume" in refused.stderr
    done = subprocess.run(command("killed", "--resume"), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resumed checkpoint" in done.stdout
    whole, again = (
        native.read(tmp_path / out / "generator.safetensors", "generator").tensors for out in ("whole", "killed")
    )
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert list((tmp_path / "whole").glob("samples-*.png"))


def test_a_larger_generator_is_cut_down_and_keeps_its_lower_layers(tmp_path):
    """--resolution and --preview on the real command: the blocks that stay are the parent's, the output heads are new."""
    parent = make_generator(replace(TINY["mobile"], img_resolution=64, preview_resolutions=()), seed=9)
    native.write_generator(tmp_path / "parent.safetensors", parent, dtype=torch.float32)
    picture_folder(tmp_path / "data", make_generator(TINY["mobile"], seed=3))
    command = [sys.executable, "-m", "ganji", "train", "--target", "teacher", "--data", str(tmp_path / "data"),
               "--init", str(tmp_path / "parent.safetensors"), "--out", str(tmp_path / "run"), "--resolution", "32",
               "--preview", "16", "--stage", "32:4:4", "--train", "to_rgbs.*", "--fit-heads", "--precision", "float32"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stored = native.read(tmp_path / "run" / "generator.safetensors", "generator")
    assert stored.header["config"]["img_resolution"] == 32
    state = parent.state_dict()
    for name, tensor in stored.tensors.items():
        if not name.startswith("to_rgbs."):
            torch.testing.assert_close(tensor.float(), state[name], atol=1e-3, rtol=1e-3)
    command[command.index("--resolution") + 1] = "128"
    refused = subprocess.run([*command, "--resume"], env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "cannot be cut" in refused.stderr


def test_fresh_takes_the_architecture_and_no_weight(tmp_path):
    """--fresh, for models without the parent's ancestry: the weights differ from the parent's and between seeds."""
    parent = make_generator(TINY["mobile"], seed=9)
    native.write_generator(tmp_path / "parent.safetensors", parent, dtype=torch.float32)
    picture_folder(tmp_path / "data", make_generator(TINY["mobile"], seed=3))

    def train(out: str, seed: int) -> dict[str, torch.Tensor]:
        command = [sys.executable, "-m", "ganji", "train", "--target", "adversarial", "--data", str(tmp_path / "data"),
                   "--init", str(tmp_path / "parent.safetensors"), "--fresh", "--out", str(tmp_path / out), "--stage",
                   "32:4:4", "--seed", str(seed), "--precision", "float32"]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": os.getcwd()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return native.read(tmp_path / out / "generator.safetensors", "generator").tensors

    first, other = train("a", 1), train("b", 2)
    state = parent.state_dict()
    assert set(first) == set(state)
    weights = [name for name in first if name.endswith("weight") or name == "input"]
    assert len(weights) > 10
    for name in weights:
        assert not torch.allclose(first[name].float(), state[name], atol=1e-3), name
        assert not torch.allclose(first[name].float(), other[name].float(), atol=1e-3), name
