"""A device that is too small: the generator runs out of memory, the work goes on with less or is refused in a sentence."""

import gc
import types
import weakref

import pytest
import torch
from PIL import Image

from ganji import latents, project, project_options
from ganji.admission import Load, Waiting
from ganji.errors import BusyError, InputError
from ganji.memory import needs_memory
from ganji.project_options import ProjectOptions, ProjectStage
from ganji.projector import Projector
from ganji.recipe import Recipe
from ganji.service import FoundFace, Service
from tests.test_project import Pixels
from tests.tiny_studio import tiny_studio

OPTIONS = ProjectOptions(
    (ProjectStage(32, 4, tied=True, learning_rate=0.1, keep=2), ProjectStage(32, 3, tied=False, learning_rate=0.05)),
    tolerance=-1,
)
IDLE = Load(0, 0, 0, 0)


class Device:
    """Where a generator's pictures are painted: `most` at a time, or it is out of memory. `asked`: for how many."""

    def __init__(self, generator, most=100):
        self.most, self.asked, self._pictures = most, [], generator.pictures
        generator.pictures = self.pictures

    def pictures(self, w_plus, *args, **kwargs):
        self.asked.append(len(w_plus))
        if len(w_plus) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return self._pictures(w_plus, *args, **kwargs)


def search(generator, options=OPTIONS):
    """The steps of a search from three codes for the picture of a fourth."""
    space = latents.w_statistics(generator, activated=True, num_samples=2000)
    num_ws = generator.config.num_ws
    target = generator.synthesis(latents.to_w_plus(latents.w_from_seeds(generator, [3]), num_ws)).clamp(-1, 1)
    state = project.start_from(latents.w_from_seeds(generator, [4, 5, 6]), space, num_ws)
    return project.project(generator, target, Pixels(), options, space=space, state=state)


def test_a_search_goes_on_with_one_candidate_at_a_time(tiny_generator):
    roomy = list(search(tiny_generator))
    device = Device(tiny_generator)
    steps = search(tiny_generator)
    found = [next(steps)]
    device.most, device.asked = 2, []
    found += steps
    # three fail, once; three steps and the choice one by one; then two, who fit: three steps and the choice
    assert device.asked == [3, *4 * [1, 1, 1], *4 * [2]]
    assert [step.index for step in found] == list(range(7))
    for one, other in zip(found, roomy):
        assert torch.allclose(one.w_plus, other.w_plus, atol=1e-3)
        assert one.loss == pytest.approx(other.loss, rel=1e-3)


def test_a_search_without_memory_for_one_candidate_is_refused(tiny_generator):
    steps = search(tiny_generator)
    device = Device(tiny_generator, most=0)
    with pytest.raises(BusyError, match=r"^There is not enough memory[^.]*\.$"):
        next(steps)
    assert device.asked == [3, 1]


# in the app


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    made = tiny_studio(tmp_path_factory.mktemp("memory"), "mobile")
    made.perceptual = Pixels()
    bank = types.SimpleNamespace(nearest=lambda *_: [4, 5, 6], truncation_psi=1.0)
    made.projector = Projector(made.face, made.space, made.perceptual, bank=bank)
    return made


@pytest.fixture
def device(studio, monkeypatch):
    monkeypatch.setitem(project_options.MODES, "fast", OPTIONS)
    monkeypatch.setattr(studio.projector, "_quick", (studio.face, studio.perceptual))
    made = Device(studio.face)
    yield made
    del studio.face.pictures


@pytest.fixture
def service(studio):
    return Service(lambda: studio)


@pytest.fixture
def face(studio):
    return studio.render(Recipe("face", seed=3)).picture


def found_by(service, face):
    *_, found = (item for item in service.find_code(face) if not isinstance(item, Waiting))
    assert isinstance(found, FoundFace)
    return found.projected


def test_a_photo_is_found_with_less_memory(studio, service, device, face):
    device.most, device.asked = 1, []
    little = found_by(service, face)
    assert device.asked[:4] == [3, 1, 1, 1]
    assert service.admission.load == IDLE
    device.most = 100
    plenty = found_by(Service(lambda: studio), face)
    assert little.distance == pytest.approx(plenty.distance, rel=1e-2)


def test_a_job_that_fails_takes_no_other_with_it(studio, service, device, face):
    before = found_by(
        Service(lambda: studio), face
    )  # its own service: the one under test is to find nothing in its cache
    device.most = 0
    for _ in range(2):
        with pytest.raises(BusyError, match="not enough memory") as caught:
            found_by(service, face)
        assert caught.value.retry_after == 30
        with pytest.raises(BusyError, match="not enough memory"):
            service.render(Recipe("face", seed=3))
        assert service.admission.load == IDLE
    device.most = 100
    assert service.render(Recipe("face", seed=3)).picture.tobytes() == face.tobytes()
    again = found_by(service, face)
    assert again.code.digest == before.code.digest
    assert again.distance == before.distance


def test_the_last_picture_and_the_detector_need_memory_too(service, device, face, studio, monkeypatch):
    *_, step = studio.project(face)
    device.most = 0
    with pytest.raises(BusyError, match="not enough memory"):
        studio.finish(face, step, "fast")

    def detector(picture):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(studio, "detector", detector)
    for call in (service.align, service.align_all):
        with pytest.raises(BusyError, match="not enough memory"):
            call(Image.new("RGB", (300, 300)))


# the decorator


def test_what_filled_the_memory_is_given_back_before_it_is_said():
    class Tensor:
        pass

    held = []

    def fill():
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError

    def steps():
        yield 1
        fill()

    gc.disable()
    try:
        for work in (needs_memory(fill), lambda: list(needs_memory(steps)())):
            with pytest.raises(BusyError) as caught:
                work()
            assert caught.value.__context__ is None
            assert held.pop()() is None
    finally:
        gc.enable()


def test_steps_are_closed_and_other_errors_pass():
    ended = []

    @needs_memory
    def steps(error):
        try:
            yield 1
            raise error
        finally:
            ended.append(error)

    running = steps(None)
    assert next(running) == 1
    running.close()
    with pytest.raises(InputError):
        list(steps(InputError("No.")))
    assert len(ended) == 2
