"""deploy/ray_serve.py with two replicas on this machine. Needs requirements-ray.txt:

python -m pytest -m slow tests/test_ray_serve.py
"""

import ast
import base64
import inspect
import io
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "deploy" / "ray_serve.py"


def test_names_parameters_and_defaults_are_the_pages():
    from ganji.ui import api

    models, methods = {}, {}
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.ClassDef):
            models[node.name] = [
                (a.target.id, None if a.value is None else ast.literal_eval(a.value))
                for a in node.body
                if isinstance(a, ast.AnnAssign)
            ]
        if (
            isinstance(node, ast.AsyncFunctionDef)
            and node.decorator_list
            and "web." in ast.unparse(node.decorator_list[0])
        ):
            methods[node.name] = node.args.args[1].annotation.id if len(node.args.args) > 1 else None
    methods.pop("_bad_values")
    endpoints = api.endpoints(None)
    assert {"generate", "customize", "emojify", "emojify_photo", "project_photo", "directions", "version"} == set(
        methods
    )
    for name, model in methods.items():
        parameters = inspect.signature(endpoints[name]).parameters.values()
        wanted = [(p.name, None if p.default is p.empty else p.default) for p in parameters]
        assert (models[model] if model else []) == wanted, name


@pytest.fixture(scope="module")
def replicas(tmp_path_factory):
    """The address of an application with two replicas that hold four requests in all, and a queue of two."""
    ray = pytest.importorskip("ray")
    import sys

    from ray import serve

    from tests.app_process import _free_port
    from tests.tiny_weights import write_tiny_bundle

    manifest = write_tiny_bundle(tmp_path_factory.mktemp("weights"))
    os.environ["GANJI_MANIFEST"] = str(manifest)
    for what in ("READY", "HEALTH"):  # of 5 and 10 s: a busy machine takes longer
        os.environ[f"RAY_SERVE_PROXY_{what}_CHECK_TIMEOUT_S"] = "120"
    sys.path.insert(0, str(ROOT))
    from deploy import ray_serve

    variables = {"GANJI_MANIFEST": str(manifest), "PYTHONPATH": str(ROOT)}
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        runtime_env={"env_vars": variables},
        log_to_driver=True,
        configure_logging=False,
    )
    port = _free_port()
    for left in reversed(range(5)):  # it waits for 60 s only, which a busy machine exceeds
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": port})
            break
        except TimeoutError:
            if not left:
                raise
    arguments = ray_serve.Deployment(min_replicas=2, max_replicas=2, cpus=1, ongoing=2, queued=2)
    serve.run(ray_serve.app(arguments), blocking=False)
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()
    os.environ.pop("GANJI_MANIFEST")


def ask(url, name, values=None):
    """(status, headers, JSON)."""
    body = None if values is None else json.dumps(values).encode()
    request = urllib.request.Request(f"{url}/{name}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.load(error)


def patiently(url, name, values, until=300):
    """The answer, asked for again whenever we are told to come back."""
    end = time.monotonic() + until
    while time.monotonic() < end:
        status, _headers, answer = ask(url, name, values)
        if status != 429:
            return status, answer
        time.sleep(0.3)
    raise AssertionError("busy all the time")


def core_pids():
    """Processes of Core replicas that descend from this one."""
    parents, cores = {}, []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if b"ServeReplica:default:Core" in (entry / "cmdline").read_bytes():
                    cores.append(int(entry.name))
            except (OSError, IndexError):
                continue

    def is_ours(pid):
        while pid > 1:
            if pid == os.getpid():
                return True
            pid = parents.get(pid, 0)
        return False

    return [pid for pid in cores if is_ours(pid)]


def photo():
    stream = io.BytesIO()
    Image.fromarray(data.astronaut()[:280, 80:400]).save(stream, "JPEG", quality=90)
    return base64.b64encode(stream.getvalue()).decode()


@pytest.mark.slow
def test_both_replicas_answer_with_the_pictures_of_one_process(replicas):
    import torch

    from ganji.png_recipe import embed
    from ganji.service import Service
    from ganji.studio import open_studio

    torch.set_num_threads(1)
    studio = open_studio("cpu")
    service = Service(lambda: studio)
    seen = set()
    for _ in range(60):
        seen.add(ask(replicas, "version")[2]["replica"])
        if len(seen) == 2:
            break
    assert len(seen) == 2
    for seed in range(6):
        status, answer = patiently(replicas, "emojify", {"seed": seed})
        assert status == 200, answer
        expected = [base64.b64encode(embed(p.picture, p.recipe)).decode() for p in service.emojify(seed)]
        assert [answer["face"], answer["emoji"]] == expected, seed
    status, answer = patiently(replicas, "generate", {"seed": 3, "count": 2})
    assert len(answer["pictures"]) == 2
    assert answer["pictures"][1] == base64.b64encode(embed(*_parts(next(service.generate(4, 1))))).decode()


def _parts(painted):
    return painted.picture, painted.recipe


@pytest.mark.slow
def test_a_photo_as_a_stream_and_errors_with_their_codes(replicas):
    request = urllib.request.Request(
        f"{replicas}/project_photo", json.dumps({"photo": photo()}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        items = [json.loads(line) for line in answer]
    assert [item["state"] for item in items[:2]] == ["running", "running"]
    assert items[-1]["state"] == "done"
    assert items[-1]["report"]["steps"] >= 1
    assert Image.open(io.BytesIO(base64.b64decode(items[-1]["emoji"]))).size == (256, 256)
    for name, values, status, code in (
        ("generate", {"seed": -1}, 400, "input"),
        ("generate", {"seed": "x"}, 400, "input"),
        ("emojify", {}, 400, "input"),
        ("emojify_photo", {"photo": "AAAA"}, 422, "photo.unreadable"),
        ("project_photo", {"photo": "AAAA"}, 422, "photo.unreadable"),
    ):
        found, _, answer = ask(replicas, name, values)
        assert (found, answer["code"]) == (status, code), answer


@pytest.mark.slow
def test_too_many_are_told_to_come_back(replicas):
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda k: ask(replicas, "generate", {"seed": k, "count": 20}), range(24)))
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {200, 429}, statuses
    assert statuses.count(200) >= 4
    for status, headers, answer in answers:
        if status == 429:
            assert int(headers["Retry-After"]) >= 1
            assert answer["code"] == "busy"


@pytest.mark.slow
def test_a_killed_replica_loses_no_accepted_request(replicas):
    before = core_pids()
    assert len(before) == 2
    answers, count = {}, 16

    def work(seed):
        answers[seed] = patiently(replicas, "generate", {"seed": seed, "count": 20})

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    assert len(answers) < count, "there must be requests under way"
    os.kill(before[0], signal.SIGKILL)
    for thread in threads:
        thread.join(300)
    assert sorted(answers) == list(range(count))
    assert [status for status, _ in answers.values()] == [200] * count
    again = patiently(replicas, "generate", {"seed": 0, "count": 20})
    assert again[1] == answers[0][1]
    until = time.monotonic() + 120
    while time.monotonic() < until and len(set(core_pids())) < 2:
        time.sleep(1)
    after = core_pids()
    assert len(after) == 2, "the dead replica is replaced"
    assert before[0] not in after
    assert before[1] in after
