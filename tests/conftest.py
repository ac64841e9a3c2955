"""Fixtures for all tests."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest

from tests.helpers import TINY, make_generator


@pytest.fixture(params=sorted(TINY))
def family(request):
    return request.param


@pytest.fixture
def tiny_generator(family):
    return make_generator(TINY[family])
