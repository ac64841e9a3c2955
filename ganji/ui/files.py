"""Results as files that Gradio may serve: each in a fresh folder of our own temporary folder, under a name that tells."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from PIL import Image

from ganji.png_recipe import embed
from ganji.recipe import Recipe
from ganji.results import Painted

FOLDER = "GRADIO_TEMP_DIR"


def new_path(name: str) -> Path:
    """A path that nobody else has; `name` is what a download is called."""
    folder = Path(os.environ[FOLDER]) / "results" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    return folder / name


def save(painted: Painted) -> Path:
    """A finished picture as PNG with its recipe."""
    recipe = painted.recipe
    name = f"ganji-{recipe.kind}-{'photo' if recipe.photo else recipe.seed}"
    return save_picture(painted.picture, recipe, f"{name}-customized" if recipe.strengths else name)


def save_picture(picture: Image.Image, recipe: Recipe | None = None, name: str = "ganji") -> Path:
    """Any picture as PNG; without a recipe it carries no metadata at all."""
    path = new_path(f"{name}.png")
    if recipe is None:
        picture.save(path, "PNG")
    else:
        path.write_bytes(embed(picture, recipe))
    return path


def save_bytes(data: bytes, name: str) -> Path:
    """Anything else."""
    path = new_path(name)
    path.write_bytes(data)
    return path
