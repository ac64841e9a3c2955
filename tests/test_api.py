"""The endpoints as programs call them, through gradio_client, on the default weights in a process of its own."""

import io
import json
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from skimage import data

from ganji.png_recipe import extract
from ganji.recipe import Recipe, from_text

NAMES = ["/customize", "/directions", "/emojify", "/emojify_photo", "/generate", "/pack", "/stickers", "/version"]
EXPRESSIONS = ["own", "neutral", "smile", "laugh", "surprised", "sad", "eyes-closed", "looking-left", "looking-right"]


@pytest.fixture(scope="module")
def client(app, tmp_path_factory):
    return Client(app.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def opened(path):
    """(bytes, picture) of a downloaded PNG of the usual size."""
    content = Path(path).read_bytes()
    picture = Image.open(io.BytesIO(content))
    picture.load()
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (256, 256))
    return content, picture


def differ(a, b):
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


def test_the_named_endpoints_are_documented(client):
    info = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(NAMES) <= set(info)
    assert not [name for name in info if name.startswith("/ui_")], "events of the page are no endpoints"
    for name, endpoint in info.items():
        assert endpoint["description"], name
        assert "[object Object]" not in json.dumps(endpoint), name


def test_generate_counts_seeds_up_and_repeats_to_the_byte(client):
    first = [opened(path) for path in client.predict(7, 2, 0.7, api_name="/generate")]
    again = [opened(path) for path in client.predict(8, 1, 0.7, api_name="/generate")]
    assert [extract(content).seed for content, _ in first] == [7, 8]
    assert first[1][0] == again[0][0], "seed 8 in a grid and alone"
    assert differ(first[0][1], first[1][1]) > 1


@pytest.mark.parametrize(
    "values", [(-1, 1, 0.7), (2**32, 1, 0.7), (1.5, 1, 0.7), (0, 0, 0.7), (0, 21, 0.7), (0, 1, 2), ("x", 1, 0.7)]
)  # fmt: skip
def test_generate_refuses_in_one_sentence(client, values):
    with pytest.raises(AppError) as caught:
        client.predict(*values, api_name="/generate")
    said = str(caught.value)
    assert said.endswith("[input]"), said
    assert "\n" not in said
    assert "Traceback" not in said
    assert "/" not in said


def test_nan_is_refused_though_json_has_none(app):
    body = b'{"data": [0, 1, NaN]}'
    request = urllib.request.Request(f"{app.url}gradio_api/call/generate", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{app.url}gradio_api/call/generate/{event}", timeout=60) as answer:
        said = answer.read().decode()
    assert "event: error" in said
    assert "[input]" in said


def test_directions_name_the_sliders(client):
    found = client.predict(api_name="/directions")
    assert found["range"] == [-10, 10]
    for kind in ("emoji", "emojified"):
        names = [item["name"] for item in found[kind]]
        assert len(names) >= 5, f"{kind}: {names}"
        assert len(set(names)) == len(names)


def test_customize_moves_and_zero_changes_nothing(client):
    plain = opened(client.predict(7, 1, 0.7, api_name="/generate")[0])
    still = opened(client.predict(7, [0, 0, 0], api_name="/customize"))
    moved = opened(client.predict(7, [6, 0, -2], api_name="/customize"))
    assert still == plain
    assert extract(moved[0]).strengths == (6.0, 0.0, -2.0)
    assert differ(plain[1], moved[1]) > 1
    with pytest.raises(AppError, match=r"\[input\]$"):
        client.predict(7, [11], api_name="/customize")
    with pytest.raises(AppError, match=r"\[input\]$"):
        client.predict(7, [0] * 1000, api_name="/customize")


def test_emojify_draws_one_face_in_several_styles(client):
    face, default = client.predict(4203, 0, 1.0, "default", api_name="/emojify")
    same_face, other = client.predict(4203, 0, 1.0, "seed:5", api_name="/emojify")
    assert opened(face) == opened(same_face)
    assert extract(opened(face)[0]).kind == "face"
    assert extract(opened(default)[0]).kind == "emojified"
    assert differ(opened(default)[1], opened(other)[1]) > 1
    _, blended = client.predict(4203, 8, 0.5, "face", api_name="/emojify")
    assert differ(opened(default)[1], opened(blended)[1]) > 1
    for values in ((4203, 99, 1.0, "default"), (4203, 0, 1.5, "default"), (4203, 0, 1.0, "no-such-style")):
        with pytest.raises(AppError, match=r"\[input"):
            client.predict(*values, api_name="/emojify")


def test_a_photo_becomes_an_emoji_and_is_kept_nowhere(client, astronaut):
    aligned, reconstruction, emoji, report = client.predict(handle_file(astronaut), "fast", api_name="/emojify_photo")
    pictures = [opened(path) for path in (aligned, reconstruction, emoji)]
    for content, picture in pictures[:2]:
        assert picture.info == {}, "a picture that shows the photo carries nothing"
        assert b"ganji" not in content
    recipe = extract(pictures[2][0])
    assert recipe.kind == "emojified"
    assert recipe.photo
    assert recipe.seed is None
    assert 0 < report["lpips"] < 0.6
    assert report["verdict"] in ("close", "fair", "rough")
    assert 1 <= report["steps"] <= 150
    assert differ(pictures[0][1], pictures[1][1]) < 45, "the reconstruction resembles the crop"
    assert differ(pictures[1][1], pictures[2][1]) > 10, "the emoji is no photo"
    again = client.predict(handle_file(astronaut), "fast", api_name="/emojify_photo")
    assert opened(again[2])[0] == pictures[2][0]


def test_a_photo_without_a_face_gets_a_sentence(client, tmp_path):
    path = tmp_path / "wall.png"
    Image.new("RGB", (300, 300), "grey").save(path)
    with pytest.raises(AppError, match=r"\[photo\.no_face\]$"):
        client.predict(handle_file(path), api_name="/emojify_photo")
    path.write_bytes(b"no picture at all")
    with pytest.raises(AppError, match=r"\[photo\.unreadable\]$"):
        client.predict(handle_file(path), api_name="/emojify_photo")


def test_version_says_what_answers(client):
    found = client.predict(api_name="/version")
    assert found["device"] in ("cpu", "cuda")
    recipe = extract(opened(client.predict(3, 1, 0.7, api_name="/generate")[0])[0])
    assert recipe.weights == found["weights"]
    assert recipe == from_text(Recipe("emoji", seed=3, weights=found["weights"]).to_text())


def test_files_outside_are_not_served(app):
    for path in ("/etc/passwd", "app.py"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{app.url}gradio_api/file={path}", timeout=20)
        assert caught.value.code in (403, 404)


def test_stickers_one_platform_a_moving_one_and_all(client):
    recipe = "kind=emoji&seed=7&psi=0.7"
    one = Path(client.predict(recipe, "slack", api_name="/stickers"))
    picture = Image.open(one)
    assert (one.name, picture.size, picture.mode, picture.info) == ("ganji-emoji-7-slack.png", (128, 128), "RGBA", {})
    assert one.stat().st_size < 128_000
    moving = Image.open(client.predict(recipe, "whatsapp", "0", api_name="/stickers"))
    assert (moving.format, moving.size, moving.is_animated) == ("WEBP", (512, 512), True)
    assert moving.n_frames >= 4
    with zipfile.ZipFile(client.predict(recipe, api_name="/stickers")) as archive:
        names = archive.namelist()
        assert b"CC BY 4.0" in archive.read("CREDITS.txt")
    assert len([name for name in names if "animated" not in name]) == 8, names
    assert {name.rpartition(".")[2] for name in names if "animated" in name} == {"gif", "png", "webp"}
    for values in (("kind=emoji&seed=7", "myspace"), ("kind=emoji&seed=7", "telegram", "0"), ("nonsense", "slack"), ("kind=emoji&seed=7", "slack", "face")):  # fmt: skip
        with pytest.raises(AppError, match=r"\[input\]$"):
            client.predict(*values, api_name="/stickers")


def test_a_pack_shows_nine_expressions(client):
    archive, sheet, moving = client.predict("kind=emoji&seed=100", api_name="/pack")
    with zipfile.ZipFile(archive) as opened_archive:
        names = opened_archive.namelist()
        full = [
            Image.open(io.BytesIO(opened_archive.read(name))).convert("RGBA")
            for name in names
            if name.endswith("-png.png")
        ]
    shown = [name[len("ganji-01-") :].removesuffix("-png.png") for name in names if name.endswith("-png.png")]
    assert shown == EXPRESSIONS
    assert "CREDITS.txt" in names
    assert "contact-sheet.png" in names
    assert min(differ(a, b) for k, a in enumerate(full) for b in full[:k]) > 0.5, "no two of them are alike"
    assert Image.open(sheet).width >= 600
    assert Image.open(moving).n_frames >= 18
    with pytest.raises(AppError, match=r"\[input\]$"):
        client.predict("kind=face&seed=7", api_name="/pack")
