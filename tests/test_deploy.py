"""The command deploy: what a Space gets, through the real client to a stand-in for the Hub."""

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants

from ganji import cli
from ganji.commands import deploy, deploy_files
from ganji.errors import WeightsError
from ganji.weights import Settings, open_store
from tests.app_process import running_app
from tests.fake_hub import Repo
from tests.fake_spaces import FakeSpaces
from tests.tiny_weights import write_tiny_bundle

ROOT = Path(__file__).resolve().parent.parent
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("GANJI_BUNDLE", "GANJI_WEIGHTS_DIR", "GANJI_MANIFEST", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # the client reads the variable once, when it is imported
    monkeypatch.setenv("HF_TOKEN", "hf_testtoken")


@pytest.fixture
def tiny(tmp_path):
    return write_tiny_bundle(tmp_path / "tiny")


def gather(manifest=ROOT / "weights_manifest.json", bundle="default", hardware=None):
    store, found = open_store(Settings(manifest, bundle, None))
    return deploy_files.gather(store, found, manifest, hardware)


def content(value):
    return value if isinstance(value, bytes) else value.read_bytes()


def front_matter(contents):
    return yaml.safe_load(content(contents["README.md"]).decode().split("---\n")[1])


# what a Space consists of


def test_a_space_gets_what_it_needs_and_nothing_else():
    names = set(gather())
    assert {"app.py", "README.md", "requirements.txt", "weights_manifest.json", "weights/face.safetensors", "LICENSE",
            "ganji/__init__.py", "ganji/studio.py", "ganji/ui/server.py", "ganji/ui/assets/page.css"} <= names  # fmt: skip
    for name in names:
        assert not re.match(
            r"tests/|\.|scripts/|benchmarks/|fuzz/|deploy/|ganji/(data|training|commands)/|ganji/cli", name
        ), name
        assert not re.search(r"__pycache__|\.pyc|\.pyi|requirements-", name), name


def test_a_folder_of_only_these_files_starts_the_app(tmp_path):
    folder = tmp_path / "space"
    for name, value in gather().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content(value))
    with running_app(tmp_path, root=folder, variables={"PYTHONPATH": ""}) as app:
        from gradio_client import Client

        client = Client(app.url, verbose=False)
        assert len(client.predict(1, 1, 0.7, api_name="/generate")) == 1
        assert client.predict(api_name="/version")["bundle"] == "default"
        assert urllib.request.urlopen(app.url, timeout=30).status == 200


def test_the_dry_run_needs_neither_token_nor_network(tmp_path):
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "ganji", "deploy", "--space", "me/ganji", "--dry-run"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    sizes = {name: int(size) for size, name in re.findall(r"^ *(\d+) (\S+)$", done.stdout, re.MULTILINE)}
    assert sizes == {name: len(content(value)) for name, value in gather().items()}
    assert f"{sum(sizes.values())} in {len(sizes)} files" in done.stdout
    assert "dry run" in done.stdout


def test_zero_gpu_gets_its_own_requirements_and_python():
    contents = gather(hardware="zero-a10g")
    lines = content(contents["requirements.txt"]).decode().splitlines()
    names = [re.split(r"[^\w.-]", line)[0] for line in lines if line and not line.startswith("#")]
    assert "torch==2.11.0" in lines
    assert "torchvision==0.26.0" in lines
    assert not {"gradio", "huggingface_hub", "spaces"} & set(names)
    usual = [
        re.split(r"[^\w.-]", line)[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert set(usual) - set(names) == {"gradio", "huggingface_hub"}
    front = front_matter(contents)
    assert (front["python_version"], front["suggested_hardware"]) == ("3.12", "zero-a10g")
    plain = front_matter(gather())
    assert {k: v for k, v in front.items() if k not in ("python_version", "suggested_hardware")} == {
        k: v for k, v in plain.items() if k not in ("python_version", "suggested_hardware")
    }


def test_files_on_the_hub_are_preloaded_and_not_uploaded(tmp_path):
    manifest = write_tiny_bundle(tmp_path, hub=("me/weights", COMMIT))
    contents = gather(manifest)
    assert front_matter(contents)["preload_from_hub"] == [
        f"me/weights face.safetensors,emoji.safetensors,perceptual.safetensors {COMMIT}"
    ]
    assert not [name for name in contents if name.endswith(".safetensors")]
    assert "preload_from_hub" not in front_matter(gather()), "the default bundle is bundled"


def test_weights_that_nobody_could_download_are_refused():
    with pytest.raises(WeightsError, match="neither bundled nor on the Hub"):
        gather(bundle="ganji-2022")


@pytest.mark.parametrize(
    "front", ["a: 1\npreload_from_hub:\n  - x y z\n- q\nb: 2\n", "a: 1\nb: 2\n", "preload_from_hub: [x]\n"]
)
def test_an_entry_of_the_front_matter_is_replaced_whole(front):
    changed = deploy_files._set(front, "preload_from_hub", "\n  - new")
    others = {k: v for k, v in yaml.safe_load(front.replace("- q\n", "")).items() if k != "preload_from_hub"}
    assert yaml.safe_load(changed) == others | {"preload_from_hub": ["new"]}
    assert yaml.safe_load(deploy_files._set(changed, "preload_from_hub", None)) == (others or None)


# the upload


def test_a_new_space_holds_exactly_these_files(tiny):
    contents = gather(tiny)
    with FakeSpaces() as hub:
        url = deploy.upload(
            "me/ganji",
            contents,
            hardware="t4-small",
            private=True,
            variables={"GANJI_BUNDLE": "mine"},
            endpoint=hub.url,
        )
        files = hub.repos["me/ganji"].files
        assert url.endswith("/spaces/me/ganji")
        assert {name: bytes(body) for name, body in files.items() if name != ".gitattributes"} == {
            name: content(value) for name, value in contents.items()
        }
        wishes = dict(hub.wishes)
    assert wishes["create"]["type"] == "space"
    assert wishes["create"]["sdk"] == "gradio"
    assert wishes["create"].get("private") is True or wishes["create"].get("visibility") == "private", wishes["create"]
    assert wishes["variables"] == {"key": "GANJI_BUNDLE", "value": "mine"}
    assert wishes["hardware"]["flavor"] == "t4-small"


def test_an_update_takes_away_what_is_no_longer_needed(tiny):
    old = {
        ".gitattributes": b"x",
        "README.md": b"old",
        "ganji/__init__.py": b"",
        "ganji/gone.py": b"",
        "weights/old.bin": b"1",
    }
    with FakeSpaces({"me/ganji": Repo(old)}) as hub:
        deploy.upload("me/ganji", gather(tiny), endpoint=hub.url)
        files = hub.repos["me/ganji"].files
        assert set(files) == set(gather(tiny)) | {".gitattributes"}
        assert files["README.md"] != b"old"
        assert [what for what, _ in hub.wishes] == ["create"]


def test_another_app_is_left_alone(tiny):
    other = {"README.md": b"mine", "app.py": b"another app"}
    with FakeSpaces({"me/other": Repo(dict(other))}) as hub:
        with pytest.raises(WeightsError, match="exists and holds another app"):
            deploy.upload("me/other", gather(tiny), endpoint=hub.url)
        assert hub.repos["me/other"].files == other


@pytest.mark.parametrize(
    ("status", "word"), [(401, "Hub refused"), (403, "Hub refused"), (402, "paid plan"), (500, "error 500")]
)
def test_refusals_are_one_sentence(tiny, status, word):
    with FakeSpaces(refuse=status) as hub, pytest.raises(WeightsError, match=word) as caught:
        deploy.upload("me/ganji", gather(tiny), endpoint=hub.url)
    assert "\n" not in str(caught.value)
    assert "hf_testtoken" not in str(caught.value)


def test_a_wrong_token_and_no_hub(tiny, monkeypatch):
    with FakeSpaces() as hub:
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        with pytest.raises(WeightsError, match="the token may not write to me/ganji"):
            deploy.upload("me/ganji", gather(tiny), endpoint=hub.url)
        url = hub.url
    with pytest.raises(WeightsError, match="cannot be reached"):
        deploy.upload("me/ganji", {"a": b""}, endpoint=url)


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ([], 2, "--space"),
        (["--space", "ganji"], 1, "owner/name"),
        (["--space", "../x/y"], 1, "owner/name"),
        (["--space", "me/x", "--hardware", "potato"], 1, "t4-small"),
        (["--space", "me/x", "--bundle", "nope"], 1, "No bundle is called 'nope'"),
        (["--space", "me/x", "--bundle", "ganji-2022", "--dry-run"], 1, "publish the bundle first"),
    ],
)
def test_misuse_is_said(capsys, options, code, word):
    try:
        ended = cli.main(["deploy", *options])
    except SystemExit as exc:
        ended = exc.code
    assert ended == code
    assert word in capsys.readouterr().err


def test_without_a_token_nothing_is_sent(tiny, monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert cli.main(["deploy", "--space", "me/ganji", "--manifest", str(tiny)]) == 1
    assert capsys.readouterr().err == "ganji: There is no token: set HF_TOKEN to one that may write to me/ganji.\n"
