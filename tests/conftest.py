"""Fixtures for all tests."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # every worker has a core of its own, and so have the processes that it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from tests.app_process import running_app
from tests.helpers import TINY, make_generator

torch.set_num_threads(1)  # tiny networks: a second thread only waits


@pytest.fixture(params=sorted(TINY))
def family(request):
    return request.param


@pytest.fixture
def tiny_generator(family):
    return make_generator(TINY[family])


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The app with its default weights, started once for all tests that need it."""
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running
