"""From drawings to a `PartSet`: every face of a set is taken apart, what is of no use is dropped, doubles are merged.

`load_part_set` is what others use: it fetches nothing, and keeps its result as JSON beside the drawings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ganji.data import framing, part_rules, parts, svg_split
from ganji.data.emoji_sets import EmojiSet, get_set, load_glyphs
from ganji.data.framing import EYES, FRAMINGS, MOUTH, SLOTS, FaceGeometry
from ganji.data.part_rules import RASTER, FaceRaster
from ganji.data.parts import Fragment, Key, Part, PartSet
from ganji.data.svg_split import INK, Glyph, ViewBox
from ganji.errors import InputError

FINE_RASTER = 512  # side in pixels of the picture in which boxes are measured
BARE_FACE = "1f636"  # no mouth: its disc is the base
PLAIN_FACE = "1f642"  # slightly smiling: its eyes and mouth are the normal ones


@dataclass(frozen=True, eq=False)
class _Candidate:
    """Shapes of one glyph that may become a part.

    Attributes:
        leaves: their indices in the glyph, ascending.
        pixels: [96, 96, 4] uint8 RGBA, alpha 0 where they are hardly visible.
    """

    glyph: Glyph
    leaves: list[int]
    pixels: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        return self.pixels[..., 3] > 0


def load_part_set(folder: Path, name: str) -> PartSet:
    """The parts of a fetched set, from the cache where drawings and code are still the same.

    Args:
        folder: of `emoji_sets.fetch`.
    Raises:
        InputError: an unknown set, one that has not been fetched, or no room for the cache.
    """
    emoji_set = get_set(name)
    glyphs = load_glyphs(folder, emoji_set)
    path = folder / "parts" / f"{name}-{_digest(glyphs, emoji_set)[:16]}.json"
    try:
        return parts.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        part_set = build_part_set(glyphs, emoji_set)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(parts.to_json(part_set)), encoding="utf-8")
        unfinished.replace(path)
    except OSError as exc:
        raise InputError(f"The parts of {name} cannot be kept in {path.parent}: {exc.strerror}.") from exc
    return part_set


def build_part_set(glyphs: Mapping[str, str], emoji_set: EmojiSet) -> PartSet:
    """Take every glyph apart and keep what is of use.

    Args:
        glyphs: code -> SVG text, gradients inlined; must hold `BARE_FACE` and `PLAIN_FACE`.
    Raises:
        InputError: one of these two is missing or cannot be taken apart, or a drawing is no SVG.
    """
    for code in (BARE_FACE, PLAIN_FACE):
        if code not in glyphs:
            raise InputError(f"The {emoji_set.name} set lacks {code}, by which its parts are measured.")
    parsed = {code: svg_split.flatten(svg, f"{emoji_set.name}_{code}_") for code, svg in glyphs.items()}
    bare = parsed[BARE_FACE]
    centre, radius = _disc(bare)
    raster = FaceRaster.over(bare.view_box, centre, radius)
    candidates: dict[Key, _Candidate] = {}
    rejected: dict[Key, str] = {}
    for code, glyph in parsed.items():
        found, why = _split(glyph, raster)
        candidates.update({(slot, code): candidate for slot, candidate in found.items()})
        rejected.update({(slot, code): why for slot in SLOTS if slot not in found})
    rejected |= _faults(candidates, raster, emoji_set)
    usable = {key: candidate for key, candidate in candidates.items() if key not in rejected}
    aliases = _aliases(usable)
    kept = {key: _part(key, candidate) for key, candidate in usable.items() if key not in aliases}
    face = FaceGeometry(centre, radius, *(_line(slot, kept, aliases, centre[0]) for slot in SLOTS))
    return PartSet(
        name=emoji_set.name,
        hue=emoji_set.hue,
        shades=emoji_set.shades,
        view_box=bare.view_box,
        face=face,
        base=_base(bare, raster),
        parts=kept,
        clean_pairs=_clean_pairs(kept, face, raster),
        aliases=aliases,
        rejected=rejected,
    )


def _disc(bare: Glyph) -> tuple[tuple[float, float], float]:
    """Centre and radius of the largest shape, in SVG units."""
    masks = [svg_split.leaf_pixels(leaf, bare, FINE_RASTER)[..., 3] > INK for leaf in bare.leaves]
    largest = max(masks, key=lambda mask: mask.sum())
    x0, y0, x1, y1 = _box(largest, bare.view_box)
    return ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0 + y1 - y0) / 4


def _box(mask: np.ndarray, view_box: ViewBox) -> tuple[float, float, float, float]:
    """Bounds of a mask over the view box, in SVG units."""
    bounds = part_rules.bounds(mask)
    assert bounds is not None
    unit = max(view_box[2:]) / len(mask)
    x, y = view_box[:2]
    return x + bounds[0] * unit, y + bounds[1] * unit, x + bounds[2] * unit, y + bounds[3] * unit


def _bare_leaves(glyph: Glyph, masks: list[np.ndarray], raster: FaceRaster) -> list[int]:
    """Indices of the leaves that belong to the bare disc."""
    return [
        index
        for index, (leaf, mask) in enumerate(zip(glyph.leaves, masks))
        if part_rules.is_base(mask, svg_split.leaf_outline(leaf, glyph, RASTER), raster)
    ]


def _base(bare: Glyph, raster: FaceRaster) -> Fragment:
    masks = [svg_split.leaf_pixels(leaf, bare, RASTER)[..., 3] > INK for leaf in bare.leaves]
    return _fragment(bare, _bare_leaves(bare, masks, raster))


def _split(glyph: Glyph, raster: FaceRaster) -> tuple[dict[str, _Candidate], str]:
    """The candidate of each slot, and why there is none in a slot without."""
    pixels = [svg_split.leaf_pixels(leaf, glyph, RASTER) for leaf in glyph.leaves]
    masks = [picture[..., 3] > INK for picture in pixels]
    disc_leaves = _bare_leaves(glyph, masks, raster)
    covered = np.any([masks[index] for index in disc_leaves], axis=0) if disc_leaves else np.zeros_like(raster.disc)
    if (covered & raster.disc).sum() < 0.9 * raster.disc.sum():
        return {}, "its face is no plain disc"
    features = [index for index, mask in enumerate(masks) if mask.any() and index not in disc_leaves]
    members: dict[str, list[int]] = {}
    for group in part_rules.touching([masks[index] for index in features]):
        leaves = [features[k] for k in group]
        slot = part_rules.slot_of(np.any([masks[index] for index in leaves], axis=0), raster)
        if slot is not None:
            members.setdefault(slot, []).extend(leaves)
    found = {}
    for slot, leaves in members.items():
        drawn = np.zeros((RASTER, RASTER, 4), np.uint8)
        for index in sorted(leaves):
            drawn = _over(pixels[index], drawn)
        drawn[~np.any([masks[index] for index in leaves], axis=0)] = 0
        found[slot] = _Candidate(glyph, sorted(leaves), drawn)
    return found, "the face has none of its own"


def _over(top: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Alpha composition of two [S, S, 4] uint8 pictures."""
    front, back = top.astype(np.float32) / 255, below.astype(np.float32) / 255
    rest = back[..., 3:] * (1 - front[..., 3:])
    alpha = front[..., 3:] + rest
    colour = (front[..., :3] * front[..., 3:] + back[..., :3] * rest) / np.maximum(alpha, 1e-6)
    return np.round(255 * np.concatenate((colour, alpha), axis=-1)).astype(np.uint8)


def _faults(candidates: Mapping[Key, _Candidate], raster: FaceRaster, emoji_set: EmojiSet) -> dict[Key, str]:
    by_hand = {EYES: emoji_set.rejected_eyes, MOUTH: emoji_set.rejected_mouths}
    plain = candidates.get((EYES, BARE_FACE))
    eyes_bottom = raster.span(plain.mask)[1] if plain else 0.0
    reasons = {
        (slot, code): by_hand[slot].get(code) or part_rules.fault(slot, candidate.mask, raster, eyes_bottom)
        for (slot, code), candidate in candidates.items()
    }
    return {key: reason for key, reason in reasons.items() if reason}


def _aliases(usable: Mapping[Key, _Candidate]) -> dict[Key, str]:
    """(slot, code) -> an earlier code whose part looks the same."""
    aliases: dict[Key, str] = {}
    for slot in SLOTS:
        distinct: list[str] = []
        for code in [code for own, code in usable if own == slot]:
            pixels = usable[slot, code].pixels
            same = next(
                (other for other in distinct if part_rules.look_alike(pixels, usable[slot, other].pixels)), None
            )
            if same is None:
                distinct.append(code)
            else:
                aliases[slot, code] = same
    return aliases


def _line(slot: str, kept: Mapping[Key, Part], aliases: Mapping[Key, str], x: float) -> tuple[float, float]:
    """Where the set's normal eyes or mouth lie, on the vertical through x."""
    part = kept.get((slot, aliases.get((slot, PLAIN_FACE), PLAIN_FACE)))
    if part is None:
        raise InputError(f"The {slot} of {PLAIN_FACE}, by which all others are measured, cannot be told from its face.")
    return x, part.centre[1]


def _clean_pairs(kept: Mapping[Key, Part], face: FaceGeometry, raster: FaceRaster) -> tuple[tuple[str, str], ...]:
    """The pairs that do not touch in any framing; framings bring eyes and mouth closer together or farther apart."""
    pixel = face.radius / raster.r
    downs = {
        key: [framing.part_shift(layout, face, part.slot, part.box[3])[1] / pixel for layout in FRAMINGS.values()]
        for key, part in kept.items()
    }
    return tuple(
        (eyes, mouth)
        for slot, eyes in kept
        if slot == EYES
        for other, mouth in kept
        if other == MOUTH
        and not any(
            part_rules.collide(kept[EYES, eyes].mask, kept[MOUTH, mouth].mask, round(mouth_down - eyes_down))
            for eyes_down, mouth_down in zip(downs[EYES, eyes], downs[MOUTH, mouth])
        )
    )


def _fragment(glyph: Glyph, leaves: list[int]) -> Fragment:
    body = "".join(glyph.leaves[index] for index in leaves)
    return Fragment(body, svg_split.needed_defs(body, glyph.defs))


def _part(key: Key, candidate: _Candidate) -> Part:
    fragment = _fragment(candidate.glyph, candidate.leaves)
    view_box = candidate.glyph.view_box
    fine = svg_split.rasterise(svg_split.document(fragment.body, fragment.defs, view_box), FINE_RASTER)
    box = _box(np.asarray(fine)[..., 3] > INK, view_box)
    return Part(fragment.body, fragment.defs, *key, box, candidate.mask)


def _digest(glyphs: Mapping[str, str], emoji_set: EmojiSet) -> str:
    """Of everything that decides a part set, this code included."""
    digest = hashlib.sha256()
    for module in (__file__, parts.__file__, framing.__file__, part_rules.__file__, svg_split.__file__):
        digest.update(Path(str(module)).read_bytes())
    digest.update(json.dumps([asdict(emoji_set), dict(glyphs)]).encode())
    return digest.hexdigest()
