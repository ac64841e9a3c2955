"""Make the page's own pictures again: the logo of our emoji, the example faces, the icon.

    python scripts/make_page_assets.py

Run it after the default models have changed. The astronaut comes from scikit-image (NASA, public domain); the other
examples are pictures of our face generator, of nobody. A development tool.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageFilter

from ganji import matte
from ganji.studio import Studio, open_studio

UI = Path(__file__).resolve().parent.parent / "ganji" / "ui"
FACES = (109, 103, 114, 117)  # seeds: four moods, all grown up
LOGO = ((21, 132, (172, 92)), (10, 132, (8, 92)), (12, 176, (68, 40)))  # (seed, side, top left), painted in this order
LOGO_SIZE = (312, 232)


def main() -> int:
    studio = open_studio("cpu")
    for seed in FACES:
        save_example(studio.render(studio.face_recipe(seed=seed)).picture, f"face-{seed}")
    save_example(astronaut(), "astronaut")
    sticker(studio, LOGO[-1][0], 64).quantize(64).save(UI / "assets" / "icon.png", optimize=True)
    logo(studio).quantize(128).save(UI / "assets" / "logo.png", optimize=True)
    for path in sorted((*UI.glob("assets/*.png"), *UI.glob("examples/*"))):
        print(f"{path.relative_to(UI)}: {path.stat().st_size} bytes")
    return 0


def save_example(picture: Image.Image, name: str) -> None:
    """A JPEG without metadata."""
    picture.convert("RGB").save(UI / "examples" / f"{name}.jpg", quality=88, optimize=True)


def astronaut() -> Image.Image:
    """Eileen Collins, head and shoulders, 384 px."""
    from skimage import data

    return Image.fromarray(data.astronaut()).crop((30, 0, 414, 384))


def sticker(studio: Studio, seed: int, side: int) -> Image.Image:
    """A random emoji without its background."""
    picture = next(studio.generate(seed)).picture
    cut = matte.cut_out(picture)
    return cut.crop(cut.getchannel("A").getbbox()).resize((side, side), Image.Resampling.LANCZOS)


def logo(studio: Studio) -> Image.Image:
    """Three emoji, each with the white rim of a sticker."""
    sheet = Image.new("RGBA", LOGO_SIZE)
    for seed, side, place in LOGO:
        emoji = Image.new("RGBA", (side + 16, side + 16))
        emoji.paste(sticker(studio, seed, side), (8, 8))
        rim = emoji.getchannel("A").filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(0.8))
        backed = Image.new("RGBA", emoji.size, "white")
        backed.putalpha(rim)
        backed.alpha_composite(emoji)
        sheet.alpha_composite(backed, (place[0] - 8, place[1] - 8))
    return sheet.crop(sheet.getchannel("A").getbbox())


if __name__ == "__main__":
    raise SystemExit(main())
