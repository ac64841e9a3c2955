"""All four flows, on a desk in English and on a phone in Korean; nothing made is lost, and everything can be made again."""

import io
import re
import zipfile
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from ganji.png_recipe import extract
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.steps import downloaded, keep, move_slider, shown_after, shown_bytes, tab

pytestmark = pytest.mark.browser
SLOW = 240_000  # ms that a photo, a pack or a zip may take on a busy machine
NAMES = {"en": ("Emoji no. 43", "Face no. 4203 as an emoji", "Your photo as an emoji"),
         "ko": ("이모지 43번", "얼굴 4203번의 이모지", "내 사진의 이모지")}  # fmt: skip
GROUND = {"desk": DESKTOP, "phone": PHONE}


@pytest.mark.parametrize("ground", ["desk", "phone"])
def test_four_flows(open_page, ground, tmp_path):
    watched = open_page(GROUND[ground])
    page, lang = watched.page, "en" if ground == "desk" else "ko"
    assert page.locator("html").get_attribute("lang").startswith(lang)
    made = make(page, NAMES[lang], ground) | customize(page, ground)
    made |= emojify(page, NAMES[lang], ground)
    go_back(page, made)
    use(page, made, ground)
    for name in ("photo", "random", "customize", "use"):
        tab(page, name)
        assert watched.overflow == 0, name
    bring_back(open_page, GROUND[ground], page, made, tmp_path)


def caption(page):
    return page.locator("#picture figcaption")


def make(page, names, ground):
    """Random: a grid by number, one of it by keyboard."""
    tab(page, "random")
    page.locator("#grid-seed input").fill("40")
    page.locator("#grid-show").click()
    tiles = page.locator("#grid .tile[data-pick]")
    expect(page.locator('#grid [data-pick="40"] img')).to_be_visible(timeout=SLOW)
    expect(tiles).to_have_count(20, timeout=SLOW)
    page.locator("#tabs").evaluate("tabs => tabs.scrollIntoView()")
    keep(page, f"page-random-{ground}")
    page.locator('#grid [data-pick="43"]').focus()
    page.keyboard.press("Enter")
    emoji = shown_after(page, r"kind=emoji&seed=43&psi=0.7")
    expect(caption(page)).to_have_text(names[0])
    return {"emoji": emoji}


def customize(page, ground):
    """Two sliders, and what is seen on the way is not kept."""
    page.locator("#to-customize").click()
    expect(page.locator("#sliders input[type=range]").first).to_be_in_viewport()
    expect(page.locator("#picture img")).to_be_in_viewport(ratio=0.9)
    before = page.locator("#history .tile").count()
    move_slider(page, 0, -10)
    shown_after(page, r"move=0:-5(&|$)")
    move_slider(page, 1, 6)
    moved = shown_after(page, r"move=0:-5,1:3(&|$)")
    keep(page, f"page-customize-{ground}")
    assert extract(moved).strengths == (-5.0, 3.0)
    assert page.locator("#history .tile").count() == before + 2, "one picture a move, however many keys"
    page.locator("#sliders-reset").click()
    shown_after(page, r"seed=43&psi=0.7&weights")
    return {"moved": moved}


def emojify(page, names, ground):
    """A face of nobody, then a photo, then another style."""
    tab(page, "photo")
    page.locator("#face-seed input").fill("4203")
    page.locator("#face-show").click()
    face = shown_after(page, r"kind=emojified&seed=4203")
    expect(caption(page)).to_have_text(names[1])
    page.locator("#examples [data-pick=astronaut]").click()
    photo = shown_after(page, r"kind=emojified&photo=[0-9a-f]{16}&.*style=default", SLOW)
    expect(caption(page)).to_have_text(names[2])
    expect(page.locator("#result .panels img")).to_have_count(3)
    keep(page, f"page-photo-{ground}")
    page.locator('#styles [data-pick="colour:blue"]').click()
    styled = shown_after(page, r"style=\w+-blue")
    return {"face": face, "photo": photo, "styled": styled}


def go_back(page, made):
    """Undo, redo and the history show the same bytes again."""
    page.locator("#undo").click()
    assert shown_after(page, r"photo=.*style=default") == made["photo"]
    page.locator("#undo").click()
    assert shown_after(page, r"seed=4203") == made["face"]
    page.locator("#redo").click()
    assert shown_after(page, r"photo=.*style=default") == made["photo"]
    seeds = page.locator("#history .tile").evaluate_all("tiles => tiles.map(tile => tile.getAttribute('aria-label'))")
    assert len(seeds) >= 6
    first = next(k for k, name in enumerate(seeds) if "43" in name and "4203" not in name and "," not in name)
    page.locator("#history .tile").nth(first).click()
    assert shown_after(page, r"kind=emoji&seed=43&psi=0.7&weights") == made["emoji"]
    page.locator("#history .tile").first.click()
    assert shown_after(page, r"style=\w+-blue") == made["styled"]


def use(page, made, ground):
    """The picture, a sticker, an animation; on the desk the zip of everything, on the phone a pack."""
    assert downloaded(page, "#save-png") == ("ganji-emojified-photo.png", made["styled"])
    page.locator("#to-use").click()
    name, data = downloaded(page, "#platforms [data-pick=telegram]", SLOW)
    assert (name, Image.open(io.BytesIO(data)).size) == ("ganji-emojified-photo-telegram.webp", (512, 512))
    expect(page.locator("#sticker-result img")).to_be_visible()
    page.locator("#movements [data-pick=face]").click()
    expect(page.locator("#motion-preview img")).to_be_visible(timeout=SLOW)
    name, data = downloaded(page, "#motion-formats [data-pick=gif]", SLOW)
    assert Image.open(io.BytesIO(data)).is_animated
    if ground == "desk":
        name, data = downloaded(page, "#stickers-all", SLOW)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert "CREDITS.txt" in archive.namelist()
    else:
        page.locator("#pack-make").click()
        expect(page.locator("#pack-zip")).to_be_visible(timeout=SLOW)
        expect(page.locator("#pack .tile[data-pick]")).to_have_count(9)
        name, data = downloaded(page, "#pack-zip")
        assert name == "ganji-emojified-photo-pack.zip"
        assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
        page.locator('#pack [data-pick="3"]').click()
        laughing = shown_after(page, r"photo=.*move=")
        assert laughing != made["styled"]
        page.locator("#undo").click()
        assert shown_after(page, r"photo=[0-9a-f]{16}&cut=0&strength=1&style=\w+-blue") == made["styled"]
    page.locator("#platforms").scroll_into_view_if_needed()
    keep(page, f"page-use-{ground}")


def bring_back(open_page, options, page, made, tmp_path):
    """Links of random pictures open them; a photo's link asks for the file, and the file brings it back."""
    for name in ("emoji", "moved"):
        again = open_page(options, "?" + extract(made[name]).to_text()).page
        assert shown_after(again, r"kind=emoji&seed=43") == made[name], name
    link = "?" + urlsplit(page.url).query
    other = open_page(options, link).page
    expect(other.locator("#picture .notice, #picture [role=status] p")).to_be_visible()
    assert shown_bytes(other) != made["styled"]
    tab(page, "use")
    name, data = downloaded(page, "#recipe-save-code")
    assert "face-code" in name
    path = tmp_path / name
    path.write_bytes(data)
    tab(other, "use")
    other.set_input_files("#load-file input[type=file]", path)
    expect(caption(other)).to_have_text(caption(page).inner_text())
    assert shown_bytes(other) == made["styled"]


def test_bad_recipes_get_a_sentence_and_change_nothing(open_page, tmp_path):
    page = open_page(DESKTOP, "?kind=emoji&seed=7&psi=9").page
    expect(page.locator("#picture [role=status]")).to_contain_text("psi")
    first = shown_bytes(page)
    tab(page, "use")
    bare = tmp_path / "bare.png"
    Image.new("RGB", (64, 64)).save(bare)
    toast = page.locator(".toast-body")
    for value, said in (("kind=emoji&seed=7&seed=8", "names a field twice"), ("x" * 3000, "at most 1500 characters")):
        page.locator("#load-text textarea").fill(value)
        page.locator("#load-button").click()
        expect(toast.filter(has_text=said)).to_be_visible(timeout=30_000)
    page.set_input_files("#load-file input[type=file]", bare)
    expect(toast.filter(has_text="carries no recipe")).to_be_visible(timeout=30_000)
    for said in toast.all_inner_texts():
        assert not re.search(r"Traceback|/tmp|\.py", said)
    assert shown_bytes(page) == first
    assert page.locator("#history .tile").count() == 1
