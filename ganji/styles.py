"""Which w draws a style: a swatch of the codebook, a seed, or what the face itself calls for."""

from __future__ import annotations

import torch

from ganji import latents, validate
from ganji.codebook import FEATURE_GROUPS, STYLE_GROUPS, Codebook
from ganji.errors import InputError
from ganji.networks.generator import Generator
from ganji.recipe import DEFAULT_STYLE


class StyleCodes:
    """The styles of an emoji generator.

    Args:
        codebook: None for weights without one: then a style is a seed's or the face's own.
    """

    def __init__(self, emoji: Generator, codebook: Codebook | None):
        self._emoji, self._codebook = emoji, codebook
        self._mean = latents.w_statistics(emoji).mean

    @property
    def names(self) -> tuple[str, ...]:
        """Of the swatches, "<set>-<colour>"; the first is the default."""
        if self._codebook is None:
            return ()
        sets, colours = (self._codebook.group(name).labels for name in STYLE_GROUPS)
        return tuple(f"{s}-{c}" for s in sets for c in colours)

    def swatch_of(self, seed: int) -> str:
        """Name of the swatch that a random emoji has; the default style without a codebook."""
        if self._codebook is None:
            return DEFAULT_STYLE
        [choice] = self._codebook.read(latents.w_from_seeds(self._emoji, [seed]))
        return "-".join(choice[name] for name in STYLE_GROUPS)

    def random(self, seed: int, truncation_psi: float) -> torch.Tensor:
        """w_plus [1, num_ws, w_dim] of a random emoji.

        Without a codebook the code is truncated towards the mean. With one, the rows of the style are the swatch nearest to
        the code (what lies between two swatches would be drawn as a mixture of both), and the rows above are truncated
        towards the mean, or, where the codebook names eyes and mouths too, towards the middle of those that the code draws.
        """
        config = self._emoji.config
        w = latents.w_from_seeds(self._emoji, [seed])
        centre = self._mean if self._codebook is None else self._codebook.centres(w, FEATURE_GROUPS)
        coarse = latents.to_w_plus(latents.truncate(w, centre, truncation_psi), config.num_ws)
        if self._codebook is None or config.style_row is None:
            return coarse
        swatch = latents.to_w_plus(self._codebook.centres(w, STYLE_GROUPS), config.num_ws)
        return latents.mix(coarse, swatch, config.style_row)

    def code(self, style: str, w_face: torch.Tensor) -> torch.Tensor:
        """[1, w_dim]: the code for the rows that draw the style.

        Raises:
            InputError: no such style.
        """
        self.check(style)
        if style.startswith("seed:"):
            w = latents.w_from_seeds(self._emoji, [int(style[5:])])
        elif style == "face" or self._codebook is None:
            w = w_face
        else:
            name = self.names[0] if style == DEFAULT_STYLE else style
            set_name, _, colour = name.rpartition("-")
            return self._codebook.code({"set": set_name, "colour": colour})
        return w if self._codebook is None else self._codebook.centres(w, STYLE_GROUPS)

    def check(self, style: str) -> None:
        """
        Raises:
            InputError: no such style.
        """
        if style.startswith("seed:"):
            digits = style[5:]
            is_plain = digits.isdecimal() and len(digits) < 12
            validate.integer("the style's seed", int(digits) if is_plain else digits, validate.SEED)
        elif style not in (DEFAULT_STYLE, "face", *self.names):
            example = (self.names or ("face",))[0]
            raise InputError(
                f"The style must be a swatch such as {example}, face, or seed:N; not {validate.shown(style)}."
            )
