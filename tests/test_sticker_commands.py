"""`python -m ganji stickers` and `pack` on tiny generators: files, exit codes, one sentence for what is wrong."""

import zipfile

import pytest
from PIL import Image

from ganji import cli, studio
from ganji.recipe import Recipe, to_json
from ganji.stickers import PLATFORMS
from tests.tiny_studio import tiny_studio


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_studio(tmp_path_factory.mktemp("studio"), "mobile")


@pytest.fixture(autouse=True)
def small_weights(tiny, tmp_path, monkeypatch):
    """The commands find the tiny studio, and write into a folder of their own."""
    monkeypatch.setattr(studio, "open_studio", lambda device=None: tiny)
    monkeypatch.chdir(tmp_path)


def run(*words):
    return cli.main([str(word) for word in words])


def test_the_platforms_are_listed(capsys):
    assert run("stickers", "--list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PLATFORMS)


def test_one_platform_still_and_moving(tmp_path, capsys):
    (tmp_path / "emoji.json").write_text(to_json(Recipe("emoji", seed=7)))
    assert run("stickers", "--recipe", "emoji.json", "--platform", "slack", "--out", "slack.png") == 0
    assert run("stickers", "--seed", 7, "--platform", "slack", "--out", "again.png") == 0
    assert (tmp_path / "slack.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert Image.open("slack.png").size == (128, 128)
    assert run("stickers", "--face", 4203, "--platform", "discord", "--move", "face", "--out", "moving.gif") == 0
    assert Image.open("moving.gif").is_animated
    assert "painting" in capsys.readouterr().err


def test_a_pack_with_its_sheet_and_animation(capsys, monkeypatch):
    monkeypatch.setattr(
        studio, "EXPRESSIONS", studio.EXPRESSIONS[-2:]
    )  # noise takes long to pack; all nine: test_workshop
    assert run("pack", "--seed", 7, "--out", "pack.zip", "--sheet", "pack.png", "--animation", "pack.webp") == 0
    assert "looking right" in capsys.readouterr().out
    with zipfile.ZipFile("pack.zip") as archive:
        assert {"CREDITS.txt", "contact-sheet.png"} <= set(archive.namelist())
    assert Image.open("pack.webp").is_animated
    assert Image.open("pack.png").format == "PNG"


@pytest.mark.parametrize(
    "words",
    [
        ("stickers", "--seed", 7),
        ("stickers", "--out", "x.png"),
        ("stickers", "--seed", -1, "--out", "x.zip"),
        ("stickers", "--seed", 7, "--platform", "myspace", "--out", "x.png"),
        ("stickers", "--seed", 7, "--platform", "slack", "--out", "x.jpg"),
        ("stickers", "--seed", 7, "--platform", "telegram", "--move", 0, "--out", "x.webp"),
        ("stickers", "--seed", 7, "--platform", "slack", "--move", "face", "--out", "x.gif"),
        ("stickers", "--recipe", "gone.png", "--out", "x.zip"),
        ("pack", "--seed", "NaN", "--out", "x.zip"),
    ],
)
def test_mistakes_get_a_sentence_and_leave_no_file(tmp_path, capsys, words):
    assert run(*words) == 1
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if line.startswith("ganji: ")]) == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_ends_with_2():
    with pytest.raises(SystemExit) as caught:
        run("pack", "--out", "x.zip")
    assert caught.value.code == 2


@pytest.mark.parametrize("command", ["stickers", "pack"])
def test_help_has_an_example(capsys, command):
    with pytest.raises(SystemExit) as caught:
        run(command, "--help")
    assert caught.value.code == 0
    assert f"python -m ganji {command} --seed 7 --out" in capsys.readouterr().out
