"""Fixtures for all tests."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch

from tests.helpers import TINY, make_generator


torch.set_num_threads(1)  # tiny networks: a second thread only waits


@pytest.fixture(params=sorted(TINY))
def family(request):
    return request.param


@pytest.fixture
def tiny_generator(family):
    return make_generator(TINY[family])
