"""An SVG drawing as a flat list of single shapes in paint order, and shapes as pixels.

Knows SVG; knows nothing of faces. A *leaf* is the text of one shape that draws the same alone as in its drawing: every
group's attributes are wrapped around it. What it refers to by id (gradients, masks, filters) lies in the glyph's `defs`.
"""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import resvg
from lxml import etree
from PIL import Image
from svgelements import Close, Move
from svgelements import Path as VectorPath

from ganji.errors import InputError

ViewBox = tuple[float, float, float, float]
"""x, y, width, height in SVG units."""

SHAPES = frozenset({"path", "circle", "ellipse", "rect", "polygon", "polyline", "line"})
GRADIENTS = frozenset({"linearGradient", "radialGradient"})
HIDDEN = GRADIENTS | {"defs", "clipPath", "mask", "filter", "symbol", "pattern", "metadata", "title", "desc", "style"}
WHOLE = ("mask", "filter")  # a group with one of these means something only as a whole
ROOT_PAINT = ("fill", "stroke", "fill-rule")  # what a root <svg> may pass on to its shapes
INK = 40  # alpha, of 255, from which a pixel counts as drawn
MAX_SUBPATHS = 60
DOCUMENT_SIDE = 1024  # a whole number, because resvg tells a drawing's size only rounded
TOUCH_RASTER = 160  # side in pixels of the picture in which subpaths are seen to touch

_XLINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r'url\(#(.*?)\)|href="#(.*?)"')
_RENDER_OPTIONS = resvg.usvg.Options.default()

Wrapping = tuple[dict[str, str], ...]
"""Attributes of the groups around a shape, outermost first."""


@dataclass(frozen=True)
class Glyph:
    """One drawing, taken apart.

    Attributes:
        view_box: of the drawing.
        leaves: SVG text of single shapes, in paint order.
        defs: id -> SVG text of everything that leaves may refer to.
    """

    view_box: ViewBox
    leaves: tuple[str, ...]
    defs: dict[str, str]


def parse(svg: str) -> etree._Element:
    """The root of an SVG text; no namespaces, plain `href`, no comments.

    Raises:
        InputError: the text is no SVG.
    """
    parser = etree.XMLParser(
        huge_tree=True, remove_comments=True, remove_pis=True, resolve_entities=False, no_network=True
    )
    try:
        root = etree.fromstring(svg.encode(), parser)
    except etree.XMLSyntaxError as exc:
        raise InputError(f"A drawing is no SVG: {exc}.") from exc
    for element in root.iter():
        element.tag = etree.QName(element).localname
        if _XLINK in element.attrib:
            element.set("href", element.attrib.pop(_XLINK))
    etree.cleanup_namespaces(root)
    return root


def inline_gradients(svg: str) -> str:
    """The same drawing in which no gradient refers to another.

    resvg 0.2.0 forgets `gradientTransform` and `gradientUnits` that a gradient inherits by `href`; 23 Noto faces lose a
    cheek to that.
    """
    if not re.search(r'Gradient [^>]*href="#', svg):
        return svg
    root = parse(svg)
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}

    def inherit(gradient: etree._Element, depth: int = 0) -> None:
        parent = by_id.get(gradient.get("href", "")[1:])
        if parent is None or parent.tag not in GRADIENTS or depth > 8:
            return
        inherit(parent, depth + 1)
        for name, value in parent.attrib.items():
            if name not in ("id", "href") and name not in gradient.attrib:
                gradient.set(name, value)
        if not len(gradient):
            gradient.extend(copy.deepcopy(stop) for stop in parent)
        del gradient.attrib["href"]

    for element in by_id.values():
        if element.tag in GRADIENTS:
            inherit(element)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    return _text(root)


def flatten(svg: str, prefix: str) -> Glyph:
    """Take a drawing apart into leaves.

    Args:
        svg: SVG text, its gradients inlined.
        prefix: put before every id, so that leaves of several drawings can share one document.
    Raises:
        InputError: no SVG, or one without a viewBox.
    """
    root = parse(svg)
    numbers = re.findall(r"[-+.\deE]+", root.get("viewBox", ""))
    if len(numbers) != 4:
        raise InputError("A drawing has no viewBox.")
    x, y, width, height = (float(number) for number in numbers)
    view_box = (x, y, width, height)
    _prefix_ids(root, prefix)
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}
    leaves = [
        _wrapped(_text(piece), wrapping)
        for element, wrapping in _shapes(root, (), by_id)
        for piece in _split_compound(element, wrapping, by_id, view_box)
    ]
    defs = {name: _text(element) for name, element in by_id.items()}
    return Glyph(view_box, tuple(leaves), defs)


def needed_defs(body: str, defs: Mapping[str, str]) -> dict[str, str]:
    """The part of `defs` that `body` refers to, directly or not, in a fixed order."""
    found: dict[str, str] = {}
    waiting = [body]
    while waiting:
        for match in _REFERENCE.finditer(waiting.pop(0)):
            name = match.group(1) or match.group(2)
            if name in defs and name not in found:
                found[name] = defs[name]
                waiting.append(defs[name])
    return found


def document(body: str, defs: Mapping[str, str], view_box: ViewBox) -> str:
    """A whole SVG text whose longer side is exactly `DOCUMENT_SIDE`."""
    box = " ".join(f"{value:.6g}" for value in view_box)
    width, height = (DOCUMENT_SIDE * side / max(view_box[2:]) for side in view_box[2:])
    frame = f'viewBox="{box}" width="{width:.6g}" height="{height:.6g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {frame}><defs>{"".join(defs.values())}</defs>{body}</svg>'


def rasterise(svg: str, size: int, background: tuple[int, int, int, int] | None = None) -> Image.Image:
    """RGBA picture [size, size]; a drawing that is not square lies in the upper left corner.

    Args:
        svg: of `document`, or another one whose longer side is a whole number.
        background: RGBA, 0 to 255; None leaves the empty parts transparent.
    Raises:
        InputError: the text cannot be drawn.
    """
    try:
        tree = resvg.usvg.Tree.from_str(svg, _RENDER_OPTIONS)
    except BaseException as exc:  # resvg 0.2.0 panics, which is no Exception
        if type(exc).__name__ != "PanicException":
            raise
        raise InputError(f"A drawing cannot be rendered: {exc}.") from exc
    scale = size / max(tree.int_size())
    data = resvg.render(tree, (scale, 0.0, 0.0, 0.0, scale, 0.0), bg_size=(size, size), bg_color=background)
    return Image.open(io.BytesIO(data), formats=("PNG",)).convert("RGBA")


def leaf_pixels(leaf: str, glyph: Glyph, size: int) -> np.ndarray:
    """[size, size, 4] uint8 RGBA of one leaf alone, over the glyph's view box."""
    return np.asarray(rasterise(document(leaf, needed_defs(leaf, glyph.defs), glyph.view_box), size))


def leaf_outline(leaf: str, glyph: Glyph, size: int) -> np.ndarray | None:
    """[size, size] bool: where the leaf's shape lies if it were solid ink; None where it is solid already.

    Shading layers can be too faint to be seen in `leaf_pixels`, and still cover the whole face.
    """
    if "url(#" not in leaf and "opacity" not in leaf:
        return None
    solid = re.sub(r'fill="url\(#[^"]*"', 'fill="#000"', leaf)
    solid = re.sub(r' (fill-opacity|opacity|filter|mask)="[^"]*"', "", solid)
    solid = re.sub(r'mix-blend-mode:[^;"]*', "", solid)
    return leaf_pixels(solid, glyph, size)[..., 3] > INK


def groups(linked: Sequence[Sequence[bool]] | np.ndarray) -> list[list[int]]:
    """Connected groups of 0 .. N-1, each ascending, ordered by first member.

    Args:
        linked: [N, N]; entry (i, j) with j < i says whether the two belong together.
    """
    root = list(range(len(linked)))

    def find(index: int) -> int:
        while root[index] != index:
            index = root[index]
        return index

    for i in range(len(linked)):
        for j in range(i):
            if linked[i][j]:
                low, high = sorted((find(i), find(j)))
                root[high] = low
    members: dict[int, list[int]] = {}
    for i in range(len(linked)):
        members.setdefault(find(i), []).append(i)
    return list(members.values())


def _text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)


def _wrapped(text: str, wrapping: Wrapping) -> str:
    for attributes in reversed(wrapping):
        text = f"{_text(etree.Element('g', attributes))[:-2]}>{text}</g>"
    return text


def _prefix_ids(root: etree._Element, prefix: str) -> None:
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, prefix + value)
            elif name == "href" and value.startswith("#"):
                element.set(name, f"#{prefix}{value[1:]}")
            elif "url(#" in value:
                element.set(name, value.replace("url(#", f"url(#{prefix}"))


def _shapes(
    element: etree._Element, wrapping: Wrapping, by_id: Mapping[str, etree._Element]
) -> Iterator[tuple[etree._Element, Wrapping]]:
    """Every shape below `element` in paint order, with the attributes of the groups around it."""
    attributes = dict(element.attrib)
    if element.tag in SHAPES:
        yield element, wrapping
    elif element.tag == "svg":
        paint = {name: attributes[name] for name in ROOT_PAINT if name in attributes}
        for child in element:
            yield from _shapes(child, (paint,) if paint else (), by_id)
    elif element.tag == "g":
        if any(name in attributes or f"{name}:" in attributes.get("style", "") for name in WHOLE):
            yield element, wrapping
            return
        attributes.pop("id", None)
        inner = (*wrapping, attributes) if attributes else wrapping
        for child in element:
            yield from _shapes(child, inner, by_id)
    elif element.tag == "use":
        target = by_id.get(attributes.pop("href", "")[1:])
        if target is None or target.tag not in SHAPES | {"g"}:
            return
        x, y = attributes.pop("x", "0"), attributes.pop("y", "0")
        attributes.pop("id", None)
        if (x, y) != ("0", "0"):
            attributes["transform"] = f"{attributes.get('transform', '')} translate({x} {y})".strip()
        yield from _shapes(target, (*wrapping, attributes) if attributes else wrapping, by_id)


def _split_compound(
    element: etree._Element, wrapping: Wrapping, by_id: Mapping[str, etree._Element], view_box: ViewBox
) -> list[etree._Element]:
    """A path as several paths, one per group of subpaths that touch (a hole stays with its outline).

    A path stays whole where its paint depends on its bounding box, or where it has very many subpaths.
    """
    outline = element.get("d", "")
    if element.tag != "path" or not (
        len(re.findall("[mM]", outline)) > 1 or re.search("[zZ][^zZmM]*[a-zA-Z]", outline)
    ):
        return [element]
    paint = " ".join(element.get(name, "") for name in ("fill", "stroke", "style"))
    if any(_paint_units(name, by_id) != "userSpaceOnUse" for name in re.findall(r"url\(#(.*?)\)", paint)):
        return [element]
    subpaths = [path for path in _subpaths(outline) if path.bbox() is not None]
    if not 2 <= len(subpaths) <= MAX_SUBPATHS:
        return [element]
    masks = [_subpath_mask(path, element, wrapping, view_box) for path in subpaths]
    together = groups([[bool((a & b).any()) for b in masks] for a in masks])
    if len(together) == 1:
        return [element]
    pieces = []
    for members in together:
        piece = copy.deepcopy(element)
        piece.set("d", " ".join(subpaths[index].d() for index in members))
        pieces.append(piece)
    return pieces


def _paint_units(name: str, by_id: Mapping[str, etree._Element]) -> str | None:
    paint = by_id.get(name)
    return None if paint is None else paint.get("gradientUnits")


def _subpaths(outline: str) -> list[VectorPath]:
    """Absolute subpaths, each with a move of its own, also where one starts right after a close."""
    found: list[list] = []
    current: list = []
    start = None
    for segment in abs(VectorPath(outline)):
        if isinstance(segment, Move):
            found.append(current)
            current, start = [Move(segment.end)], segment.end
            continue
        if not current:
            current = [Move(start)]
        current.append(segment)
        if isinstance(segment, Close):
            found.append(current)
            current = []
    found.append(current)
    return [VectorPath(*segments) for segments in found if len(segments) > 1]


def _subpath_mask(path: VectorPath, element: etree._Element, wrapping: Wrapping, view_box: ViewBox) -> np.ndarray:
    """[TOUCH_RASTER, TOUCH_RASTER] bool over twice the view box: the subpath, filled, a little grown."""
    x, y, width, height = view_box
    stroke = float(re.sub("[^0-9.]", "", element.get("stroke-width") or "") or 0)
    transforms = [{"transform": a["transform"]} for a in (*wrapping, dict(element.attrib)) if "transform" in a]
    ink = f'<path d="{path.d()}" fill="#000" stroke="#000" stroke-width="{width / 100 + stroke:.4f}"/>'
    padded = (x - width / 2, y - height / 2, 2 * width, 2 * height)
    return np.asarray(rasterise(document(_wrapped(ink, tuple(transforms)), {}, padded), TOUCH_RASTER))[..., 3] > 60
