"""A bundle's projections: the real photo through the real networks keeps its expression; less than a whole bundle works too."""

from dataclasses import replace

import pytest
from PIL import Image

from ganji import images, project, project_options
from ganji.errors import WeightsError
from ganji.expression_goal import ExpressionGoal
from ganji.expression_map import with_mean_eye
from ganji.project_options import ProjectOptions, ProjectStage
from ganji.projector import Projector
from ganji.studio import open_studio
from tests.test_project import Pixels
from tests.tiny_studio import tiny_studio

PHOTO = "ganji/ui/examples/astronaut.jpg"


@pytest.fixture(scope="module")
def studio():
    return open_studio("cpu")


@pytest.fixture(scope="module")
def aligned(studio, request):
    return studio.align(Image.open(request.config.rootpath / PHOTO)).picture


def test_a_search_keeps_to_the_photos_expression(studio, aligned, monkeypatch):
    known, reader = studio.settler.expression_map, studio.projector._reader
    goal = ExpressionGoal.of(images.to_tensor(aligned), reader, known, studio.perceptual)
    assert len(goal.measures) == len(reader.names) >= 5
    distances = {}
    for weight in (0.0, 0.1):
        options = replace(project_options.FAST, meaning_weight=weight, expression_weight=weight / 2)
        monkeypatch.setitem(project_options.MODES, "fast", options)
        *_, step = studio.project(aligned, "fast")
        w = project.tied(step.w_plus, studio.space)
        distances[weight] = float(goal.of_codes(w)), step.distance
    assert distances[0.1][0] < 0.5 * distances[0.0][0]
    assert distances[0.1][1] < 1.25 * distances[0.0][1], "the likeness has suffered"
    smile = with_mean_eye(known.measures(w)[0])  # the astronaut shows her teeth and has her eyes open
    assert smile["gap"] > 0.06
    assert smile["lift"] > 0.05
    assert smile["eye"] > 0.215


def test_weights_without_a_reader_or_a_bank_can_be_searched(tmp_path, monkeypatch):
    made = tiny_studio(tmp_path, "mobile")
    stage = ProjectStage(32, 3, tied=True, learning_rate=0.1)
    options = ProjectOptions((stage,), expression_weight=1, meaning_weight=1)
    monkeypatch.setitem(project_options.MODES, "fast", options)
    projector = Projector(made.face, made.space, Pixels())
    face = Image.new("RGB", (32, 32), "tan")
    *_, step = projector.project(face, "fast", None, None)
    found = projector.finish(face, step, "fast", 1.5)
    assert (found.steps, found.seconds, found.reconstruction.size) == (3, 1.5, (32, 32))


def test_weights_without_a_perceptual_network_cannot(tmp_path):
    made = tiny_studio(tmp_path, "mobile")
    with pytest.raises(WeightsError, match="no perceptual network"):
        next(made.project(Image.new("RGB", (32, 32)), "fast"))
