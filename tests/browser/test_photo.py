"""The main job: a real photo becomes an emoji on the page, a slider moves it, and it is saved."""

import re
from contextlib import ExitStack

import pytest
from PIL import Image
from playwright.sync_api import expect
from skimage import data

from benchmarks.client import marked_photo, stream, upload
from ganji.admission import Limits
from ganji.png_recipe import extract
from tests.browser.conftest import DESKTOP
from tests.browser.steps import downloaded, shown_bytes, tab

pytestmark = pytest.mark.browser
SEARCH = 150_000  # ms that a photo may take on a busy machine
PLACES = Limits().long_running + Limits().long_waiting


def test_a_photo_becomes_an_emoji_a_slider_moves_it_and_it_is_saved(open_page, tmp_path):
    path = tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    page = open_page(DESKTOP).page
    first = shown_bytes(page)
    page.set_input_files("#photo input[type=file]", path)
    pictures = page.locator("#result .panels figure")
    expect(page.locator("#result")).to_contain_text("LPIPS", timeout=SEARCH)
    expect(pictures).to_have_count(3)
    for caption, figure in zip(("Your photo, aligned", "What the model sees", "The emoji"), pictures.all()):
        expect(figure.locator("figcaption")).to_have_text(caption)
        assert figure.locator("img").evaluate("(img) => img.complete && img.naturalWidth") >= 200
    expect(page.locator("#picture figcaption")).to_have_text("Your photo as an emoji")
    emoji = shown_bytes(page)
    assert emoji != first
    recipe = extract(emoji)
    assert recipe.photo

    tab(page, "customize")
    slider = page.locator("#sliders input[type=range]").first
    expect(slider).to_be_enabled()
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#picture figcaption")).to_have_text("Your photo as an emoji, customized")
    expect(page).to_have_url(re.compile(r"move=0:4(&|$)"))
    moved = shown_bytes(page)
    assert extract(moved).strengths == (4.0,)
    assert extract(moved).photo == recipe.photo

    name, saved = downloaded(page, "#save-png")
    assert name == "ganji-emojified-photo-customized.png"
    assert saved == moved


def test_a_face_is_marked_by_hand(open_page, tmp_path):
    """The drawer holds the photo with its marks on the face; moved by keyboard they give another crop, and another code."""
    page = open_page(DESKTOP).page
    page.locator("#examples [data-pick=astronaut]").click()
    expect(page.locator("#result .panels img")).to_have_count(3, timeout=SEARCH)
    first = page.locator("#result .panels img").first.get_attribute("src")
    expect(page).to_have_url(re.compile("photo="))
    link = page.url
    page.locator("#marks button.label-wrap").click()
    marks = page.locator("#marks .mark")
    expect(marks).to_have_count(3)
    expect(page.locator("#marks img")).to_be_visible()
    start = marks.first.evaluate("mark => parseFloat(mark.style.left)")
    assert 40 < start < 50, "on the astronaut's eye"
    marks.first.focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    assert marks.first.evaluate("mark => parseFloat(mark.style.left)") == pytest.approx(start - 12, abs=0.1)
    page.locator("#marks-use").click()
    expect(page).not_to_have_url(link, timeout=SEARCH)
    expect(page.locator("#result .panels img")).to_have_count(3)
    assert page.locator("#result .panels img").first.get_attribute("src") != first


def test_without_a_face_the_marks_are_offered_at_once(open_page, tmp_path):
    path = tmp_path / "nobody.png"
    Image.new("RGB", (400, 300), "gray").save(path)
    page = open_page(DESKTOP).page
    page.set_input_files("#photo input[type=file]", path)
    expect(page.locator("#result .problem")).to_contain_text("No face was found", timeout=SEARCH)
    expect(page.locator("#marks .mark")).to_have_count(3)
    expect(page.locator("#marks img")).to_be_visible()


def test_who_gets_no_place_is_told_and_gets_one_later(open_page, app, tmp_path):
    """Five programs have all places; once they have left, the same photo is taken."""
    path = tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    page = open_page(DESKTOP).page
    with ExitStack() as others:
        for number in range(PLACES):
            news = others.enter_context(stream(app.url, upload(app.url, marked_photo(500 + number))))
            assert next(news)[0] == "generating"
        page.set_input_files("#photo input[type=file]", path)
        expect(page.locator(".toast-body")).to_contain_text(re.compile(r"try again in about \d+ seconds\."))
        expect(page.locator("#result")).not_to_contain_text("Looking for faces")
    page.reload()
    page.locator("#picture img").wait_for()
    page.set_input_files("#photo input[type=file]", path)
    expect(page.locator("#result")).to_contain_text("LPIPS", timeout=SEARCH)
