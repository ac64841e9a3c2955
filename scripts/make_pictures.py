"""Make the pictures of docs/img from the bundled models: `python scripts/make_pictures.py [NAME ..]`. A development tool.

astronaut: a real photo's four pictures; variants: the same photo turned, dark, squeezed (need scikit-image). faces: 16 faces beside their emoji in four styles. blend: the
strip of cut points. random: emoji of seeds 0 to 99. directions-emoji, directions-emojified: what every slider does.
Faces are chosen by number, before anyone looked: of seeds 4200 to 4399 the first 8 whose mouth gap is above 0.10 and the
first 8 below 0.035, as measured with MediaPipe (benchmarks/data).
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ganji import images
from ganji.data.seeds import TEST_FACES
from ganji.recipe import Recipe
from ganji.studio import Studio, open_studio

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "img"
EXPRESSIONS = ROOT / "benchmarks" / "data" / "expressions_4200_5199.npz"
STYLES = ("noto-yellow", "fluent-yellow", "fluent-flat-blue", "twemoji-yellow")
TILE, GAP = 128, 4
INK = (60, 60, 70)


def astronaut(studio: Studio) -> Image.Image:
    """Photo, aligned, reconstruction, emoji."""
    import skimage.data

    photo = Image.fromarray(skimage.data.astronaut())
    aligned = studio.align(photo).picture
    *_, step = studio.project(aligned, "fast")
    found = studio.finish(aligned, step, "fast")
    emoji = studio.render(studio.emojified(code=found.code), found.code).picture
    print(f"astronaut: LPIPS {found.distance:.3f}, {found.steps} steps, {found.seconds:.1f} s")
    return images.grid([photo.resize((256, 256), Image.Resampling.LANCZOS), aligned, found.reconstruction, emoji], 4, 8)


def variants(studio: Studio) -> Image.Image:
    """The astronaut's photo as others would have taken it: above the crop, below its emoji."""
    import skimage.data

    photo = Image.fromarray(skimage.data.astronaut())
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=8)
    made = {
        "as it is": photo,
        "left": photo.rotate(18, Image.Resampling.BICUBIC, expand=True),
        "right": photo.rotate(-18, Image.Resampling.BICUBIC, expand=True),
        "dark": photo.point(lambda level: level * 0.35),
        "bright": photo.point(lambda level: min(255, level * 1.6)),
        "lit from one side": Image.composite(
            photo, Image.new("RGB", photo.size), Image.linear_gradient("L").rotate(90).resize(photo.size)
        ),
        "JPEG quality 8": Image.open(buffer),
        "240 px": photo.resize((240, 240), Image.Resampling.LANCZOS),
    }
    above, below = [], []
    for title, variant in made.items():
        aligned = studio.align(variant).picture
        *_, step = studio.project(aligned, "fast")
        found = studio.finish(aligned, step, "fast")
        print(f"{title}: LPIPS {found.distance:.3f}")
        above.append(aligned)
        below.append(studio.render(studio.emojified(code=found.code), found.code).picture)
    return images.grid(small(above + below), len(made), GAP)


def chosen_faces() -> list[int]:
    """The 16 seeds."""
    with np.load(EXPRESSIONS) as stored:
        gaps = stored["gap"][: len(TEST_FACES)]
    wide = [TEST_FACES[k] for k in np.flatnonzero(gaps > 0.10)[:8]]
    return wide + [TEST_FACES[k] for k in np.flatnonzero(gaps < 0.035)[:8]]


def faces(studio: Studio) -> Image.Image:
    """Two faces a row, each with four emoji."""
    tiles = []
    for seed in chosen_faces():
        tiles.append(studio.render(studio.face_recipe(seed=seed, truncation_psi=1.0)).picture)
        tiles += [studio.render(studio.emojified(seed=seed, truncation_psi=1.0, style=s)).picture for s in STYLES]
    return images.grid(small(tiles), 10, GAP)


def blend(studio: Studio) -> Image.Image:
    """One face a row, one cut a column."""
    tiles = []
    for seed in chosen_faces()[4:12:2]:
        for preset in studio.cuts:
            recipe = studio.emojified(seed=seed, truncation_psi=1.0, num_face_layers=preset.cut.num_face_layers)
            tiles.append(studio.render(recipe).picture)
        tiles.append(studio.render(studio.face_recipe(seed=seed, truncation_psi=1.0)).picture)
    return images.grid(small(tiles), len(studio.cuts) + 1, GAP)


def random(studio: Studio) -> Image.Image:
    """Seeds 0 to 99 at psi 0.7, ten a row."""
    painted = [studio.render(Recipe("emoji", seed=seed)).picture for seed in range(100)]
    return images.grid(small(painted, 96), 10, GAP)


def directions(studio: Studio, kind: str) -> Image.Image:
    """One slider a row: three pictures, each at -6, 0 and 6."""
    sliders = studio.directions[kind].items
    seeds = (2, 11, 17) if kind == "emoji" else (4203, 4207, 4214)
    rows = []
    for k, slider in enumerate(sliders):
        tiles = []
        for seed in seeds:
            recipe = Recipe("emoji", seed=seed) if kind == "emoji" else studio.emojified(seed=seed)
            for strength in (-6.0, 0.0, 6.0):
                moved = recipe.moved(tuple(strength if j == k else 0.0 for j in range(len(sliders))))
                tiles.append(studio.render(moved).picture)
        row = images.grid(small(tiles, 80), len(tiles), GAP)
        labelled = Image.new("RGB", (row.width + 150, row.height), "white")
        labelled.paste(row, (150, 0))
        ImageDraw.Draw(labelled).text((6, row.height // 2 - 6), f"{slider.name}  ({slider.value:.2f})", fill=INK)
        rows.append(labelled)
    return images.grid(rows, 1)


def small(pictures: list[Image.Image], side: int = TILE) -> list[Image.Image]:
    """The pictures, reduced."""
    return [picture.resize((side, side), Image.Resampling.LANCZOS) for picture in pictures]


def save(picture: Image.Image, name: str) -> None:
    """Write WebP."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=82, method=6)
    (OUT / f"{name}.webp").write_bytes(buffer.getvalue())
    print(f"docs/img/{name}.webp: {picture.width} x {picture.height}, {len(buffer.getvalue()) // 1024} KB")


MAKERS = {
    "astronaut": astronaut,
    "variants": variants,
    "faces": faces,
    "blend": blend,
    "random": random,
    "directions-emoji": lambda studio: directions(studio, "emoji"),
    "directions-emojified": lambda studio: directions(studio, "emojified"),
}


def main() -> int:
    OUT.mkdir(parents=True, exist_ok=True)
    studio = open_studio("cpu")
    for name in sys.argv[1:] or MAKERS:
        save(MAKERS[name](studio), name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
