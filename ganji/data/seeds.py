"""Which seeds are for what, once and for all.

4200..4399 measure the face model and the emoji's expression, 4400..4499 projection, and 4500..5199 stay in reserve: none of
them is ever trained on or put into a latent bank.
"""

from __future__ import annotations

RESERVED = range(4200, 5200)
TEST_FACES = range(4200, 4400)
TEST_PHOTOS = range(4400, 4500)


def training_seeds(count: int) -> list[int]:
    """The first `count` seeds that may be trained on: 0, 1, .. without the reserved ones."""
    return [seed for seed in range(count + len(RESERVED)) if seed not in RESERVED][:count]
