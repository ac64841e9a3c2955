"""The page's words: complete in both languages, used, and found wherever the page's code asks for one."""

import re
import string
from pathlib import Path

import pytest
import torch

from ganji import errors, stickers
from ganji.blend import blend_presets
from ganji.expressions_pack import EXPRESSIONS, NAMED
from ganji.factorize import Direction, Directions
from ganji.recipe import Recipe
from ganji.ui import texts
from ganji.ui.blend_panel import preset_name
from ganji.ui.components import ASSETS
from ganji.ui.pack_panel import expression_name
from ganji.ui.shell import name_of
from ganji.ui.showcase import EXAMPLES
from ganji.ui.sticker_panel import platform_name
from ganji.ui.tab_customize import FACTORS_2022, MAX_SLIDERS, offered, slider_name
from ganji.ui.tab_photo import example_name
from ganji.ui.words import WORDS
from tests.helpers import TINY

UI = Path(texts.__file__).parent
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(UI.glob("*.py")) if path.name != "words.py")
HANGUL = re.compile(r"[\uac00-\ud7a3]")
SAME = {
    "set_noto",
    "set_fluent",
    "set_twemoji",
    "file_made",
    "status_device_gpu",
}  # names and figures, the same everywhere
PREFIXES = ("colour_", "set_", "direction_", "expression_", "error_", "name_", "status_", "verdict_", "pack_", "platform_", "device_")  # fmt: skip


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("key", sorted(WORDS))
def test_a_text_says_the_same_in_both_languages(key):
    english, korean = WORDS[key]
    assert english.strip() == english != ""
    assert korean.strip() == korean != ""
    assert fields(english) == fields(korean)
    assert not HANGUL.search(english)
    assert HANGUL.search(korean) or key in SAME, "not translated"
    assert english.count("](") == korean.count("]("), "links"


def test_every_text_that_the_code_names_is_there():
    named = set(re.findall(r"""(?:label|both)\(["']([a-z_]+)["']\)|say\([^()"']*["']([a-z_]+)["']""", SOURCE))
    keys = {a or b for a, b in named}
    assert len(keys) > 80, "the pattern finds them"
    assert keys <= WORDS.keys(), keys - WORDS.keys()


def test_no_text_is_left_over():
    unused = [key for key in WORDS if not re.search(f"[\"']{key}[\"']", SOURCE) and not key.startswith(PREFIXES)]
    assert unused == []


def test_the_browser_gets_every_text_without_gaps_and_no_other():
    with pytest.raises(KeyError):
        texts.label("seconds")
    with pytest.raises(KeyError):
        texts.label("no such text")
    assert texts.label("tab_photo") is not None


@pytest.mark.parametrize(
    ("header", "lang"),
    [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("ko", "ko"), ("KO", "ko"), ("en-US,ko;q=0.9", "en"), ("de", "en"), ("", "en"), ("kok-IN", "en")],
)  # fmt: skip
def test_the_language_is_the_first_that_the_browser_asks_for(header, lang):
    class Request:
        headers = {"accept-language": header}  # noqa: RUF012

    assert texts.language(Request()) == lang


def test_no_request_is_english():
    assert texts.language(None) == "en"


def kinds(kind=errors.GanjiError):
    for sub in kind.__subclasses__():
        yield sub
        yield from kinds(sub)


@pytest.mark.parametrize("kind", [k for k in kinds() if k.__module__ == "ganji.errors"], ids=lambda kind: kind.__name__)
def test_an_error_has_a_sentence_in_both_languages(kind):
    error = kind("It went wrong.", 1) if kind is errors.BusyError else kind("It went wrong.")
    assert texts.sentence("en", error) == str(error)
    said = texts.sentence("ko", error)
    if kind.code.split(".")[0] in ("input", "photo", "busy", "projection", "weights"):  # what visitors can meet
        assert HANGUL.search(said), kind.code


@pytest.mark.parametrize(("value", "english"), [(0.042, "0.04 s"), (1.26, "1.3 s"), (31.4, "31 s")])
def test_durations_have_two_digits(value, english):
    assert texts.seconds("en", value) == english
    assert texts.seconds("ko", value) == english.replace(" s", "초")


def test_names_of_pictures():
    moved = Recipe("emoji", seed=7, strengths=(1.0,))
    assert name_of(Recipe("emoji", seed=7), "en") == "Emoji no. 7"
    assert name_of(moved, "en") == "Emoji no. 7, customized"
    assert name_of(Recipe("face", seed=7), "en") == "Face no. 7"
    photo = "0123456789abcdef"
    names = {name_of(Recipe(kind, photo=photo), lang) for kind in ("face", "emojified") for lang in ("en", "ko")}
    assert len(names) == 4
    assert not any(photo in name for name in names)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_everything_on_offer_has_a_name_of_its_own(lang):
    config = TINY["mobile"]
    cuts = [preset_name(preset, lang) for preset in blend_presets(config)]
    shown = [expression_name(one.label, lang) for one in EXPRESSIONS]
    sliders = [
        slider_name(name, lang)
        for name in (*NAMED, "brows", "nod", *(f"{w} {k}" for w in ("coarse", "fine") for k in range(5)))
    ]
    examples = [example_name(path.stem, lang) for path in EXAMPLES.glob("*.jpg")]
    for names in (cuts, shown, sliders, examples):
        assert len(set(names)) == len(names) > 0
    if lang == "ko":
        assert all(HANGUL.search(name) for name in (*shown, *sliders, *examples))


def test_closed_form_sliders_are_numbered_without_gaps():
    names = ("smile", "coarse 1", "coarse 3", "fine 2", "coarse 7", "fine 9")
    items = tuple(Direction(name, torch.zeros(4), (0, 2)) for name in names)
    sliders = offered(Directions(items))
    assert [slider.index for slider in sliders] == list(range(6))
    labels = [slider_name(slider.name, "en") for slider in sliders]
    assert labels == ["Smile", "Shape 1", "Shape 2", "Style 1", "Shape 3", "Style 2"]


def test_unknown_sliders_keep_their_names():
    assert slider_name("antlers", "ko") == "antlers"
    assert slider_name("coarse 0", "en") == "Shape 1"
    assert slider_name("antlers 3", "en") == "antlers 3"


def test_the_page_offers_so_many_sliders_and_of_2022_the_five_that_it_had():
    import torch

    items = tuple(Direction(f"d {k}", torch.zeros(4), (0, 1)) for k in range(40))
    assert [slider.index for slider in offered(Directions(items))] == list(range(MAX_SLIDERS))
    old = offered(Directions(items, method="rosinality"))
    assert [(slider.index, slider.name) for slider in old] == list(FACTORS_2022.items())
    assert len(offered(Directions(items[:6], method="rosinality"))) == 3


def test_platforms_and_devices_have_names():
    for name, one in stickers.PLATFORMS.items():
        assert platform_name(name, "en") == one.title
        assert HANGUL.search(platform_name(name, "ko"))
    assert {"device_cpu", "device_cuda"} <= WORDS.keys()


def test_scripts_and_styles_ask_for_nothing_from_elsewhere():
    for path in [*ASSETS.glob("*.css"), *ASSETS.glob("*.js")]:
        text = path.read_text(encoding="utf-8").replace(
            '"https://huggingface.co"', ""
        )  # the frame's owner, told of the address
        assert not re.search(r"https?://|//\w+\.\w+/|@import", text), path.name
