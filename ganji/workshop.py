"""From one recipe to files that can be used elsewhere: stickers, animations, the zip of all of them, and emoji packs.

Paints through a function that it is given, so that visitors take turns and the command line does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from PIL import Image

from ganji import animation, motion, pack, stickers, validate
from ganji.credits import credits_text
from ganji.errors import InputError
from ganji.matte import cut_out, cut_out_all
from ganji.recipe import PhotoCode, Recipe
from ganji.results import Painted
from ganji.sticker_files import make_zip, save
from ganji.studio import Studio

FACE = "face"  # the movement from a face to its emoji; all others are a slider's number
ANIMATION_SIZE = 256  # px, of animations for no platform
STEPS_BETWEEN = 2  # painted frames from one emoji of a pack to the next
MAX_STEM = 28


@dataclass(frozen=True)
class File:
    """A finished file: what a download is called, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Step:
    """A part of a longer job is done."""

    done: int
    total: int


@dataclass(frozen=True)
class Member:
    """One emoji of a pack: what it shows, the picture, and how it is made again."""

    label: str
    painted: Painted


@dataclass(frozen=True)
class PackFiles:
    """A pack, ready to be used."""

    zip: File
    sheet: File
    animation: File


class Workshop:
    """Makes files.

    Args:
        studio: the models.
        render: paints a recipe; by default the studio does so at once.
        turn: opens what work without painting runs in: cutting out and packing, some seconds long.
    """

    def __init__(
        self,
        studio: Studio,
        render: Callable[[Recipe, PhotoCode | None], Painted] | None = None,
        turn: Callable[[], AbstractContextManager[object]] = nullcontext,
    ):
        self.studio, self._render, self._turn = studio, render or studio.render, turn

    def credits(self) -> str:
        """The text of CREDITS.txt."""
        return credits_text(self.studio.store.manifest, self.studio.bundle)

    # stills

    def cut(self, recipe: Recipe, code: PhotoCode | None = None) -> Image.Image:
        """The picture without its background: RGBA."""
        painted = self._render(recipe, code)
        with self._turn():
            return cut_out(painted.picture)

    def still(self, recipe: Recipe, platform: str, code: PhotoCode | None = None) -> File:
        """The sticker for a platform, a name of stickers.PLATFORMS.

        Raises:
            InputError: no such platform; what painting raises.
        """
        target = stickers.get_platform(platform)
        picture = self.cut(recipe, code)
        with self._turn():
            return File(stickers.file_name(stem(recipe), target), stickers.export(picture, target))

    # animations

    def movements(self, recipe: Recipe) -> tuple[str, ...]:
        """What can move: "face" for the emoji of a face, and the numbers of the sliders."""
        sliders = range(len(self.studio.directions.get(recipe.kind, ())))
        return (*((FACE,) if recipe.kind == "emojified" else ()), *map(str, sliders))

    def frames(
        self, recipe: Recipe, movement: str, code: PhotoCode | None = None
    ) -> Iterator[Step | tuple[list[Image.Image], tuple[int, ...]]]:
        """Paint a movement: steps, and at the end its frames (RGBA) and for how many frames' time each stays.

        Raises:
            InputError: nothing of that name moves here.
        """
        known = self.movements(recipe)
        if not known:
            raise InputError("Nothing can move in this picture: these weights have no sliders for it.")
        if movement not in known:
            raise InputError(f"What moves must be one of {known[0]} to {known[-1]}, not {validate.shown(movement)}.")
        plan = motion.face_to_emoji(recipe) if movement == FACE else motion.sweep(recipe, int(movement))
        pictures = []
        for one in plan.recipes:
            pictures.append(self._render(one, code).picture)
            yield Step(len(pictures), len(plan.recipes))
        with self._turn():
            pictures = cut_out_all(pictures)
        yield [pictures[k] for k in plan.order], plan.holds

    def animated(self, frames: Sequence[Image.Image], holds: Sequence[int], name: str, kind: str) -> File:
        """Frames as a file.

        Args:
            name: begins the file's name.
            kind: "gif", "apng" or "webp", or a platform that takes animations.
        """
        with self._turn():
            if kind in animation.KINDS:
                data = stickers.animate(frames, kind, holds=holds, size=ANIMATION_SIZE)
                return File(f"{stickers.safe_name(name)}-animated{animation.SUFFIXES[kind]}", data)
            return File(
                stickers.file_name(name, kind, animated=True), stickers.export_animated(frames, kind, holds=holds)
            )

    # everything

    def everything(
        self, recipe: Recipe, code: PhotoCode | None = None, movements: Sequence[str] | None = None
    ) -> Iterator[Step | File]:
        """One zip: the sticker for every platform, its movements as GIF, APNG and WebP and for every platform, the credits.

        Args:
            movements: by default the face's and the first slider's.
        Yields:
            Steps, and the zip at the end.
        """
        if movements is None:
            known = self.movements(recipe)
            movements = [*(m for m in known if m == FACE), *[m for m in known if m != FACE][:1]]
        kinds = [*animation.KINDS, *(name for name, one in stickers.PLATFORMS.items() if one.animated)]
        total, done = 1 + len(movements) * (1 + len(kinds)), 0
        picture = self.cut(recipe, code)
        with self._turn():
            files = stickers.export_all(picture, stem(recipe))
        yield Step(done := done + 1, total)
        for movement in movements:
            painted = None
            for item in self.frames(recipe, movement, code):
                painted = item
            assert isinstance(painted, tuple)
            yield Step(done := done + 1, total)
            for kind in kinds:
                file = self.animated(*painted, f"{stem(recipe)}-{self._short(recipe, movement)}", kind)
                files[file.name] = file.data
                yield Step(done := done + 1, total)
        yield File(f"{stem(recipe)}-stickers.zip", make_zip(files, self.credits()))

    def _short(self, recipe: Recipe, movement: str) -> str:
        """A movement in a file's name."""
        if movement == FACE:
            return "face-to-emoji"
        return stickers.safe_name(self.studio.directions[recipe.kind].items[int(movement)].name)

    # packs

    def pack(self, recipe: Recipe, code: PhotoCode | None = None) -> Iterator[Member]:
        """The expressions of one code, one by one.

        Raises:
            InputError: as Studio.pack.
        """
        for label, one in self.studio.pack(recipe, code):
            yield Member(label, self._render(one, code))

    def pack_files(self, members: Sequence[Member], code: PhotoCode | None = None) -> Iterator[Step | PackFiles]:
        """The pack's zip, contact sheet and animation: steps, and the files at the end."""
        between: list[list[Image.Image]] = []
        done, total = 0, len(members) * STEPS_BETWEEN + 2
        for k, member in enumerate(members):
            after = members[(k + 1) % len(members)]
            between.append([])
            for one in motion.between(member.painted.recipe, after.painted.recipe, STEPS_BETWEEN):
                between[-1].append(self._render(one, code).picture)
                yield Step(done := done + 1, total)
        first = members[0].painted.recipe
        name = f"{stem(first)}-pack"
        with self._turn():
            groups = [[m.painted.picture, *pictures] for m, pictures in zip(members, between)]
            cut = iter(cut_out_all([picture for group in groups for picture in group]))
            groups = [[next(cut) for _ in group] for group in groups]
            items = [pack.PackItem(m.label, group[0]) for m, group in zip(members, groups)]
            moving = pack.through(items, [group[1:] for group in groups])
            sheet = File(f"{name}-sheet.png", save(pack.contact_sheet(items), "PNG"))
        yield Step(total - 1, total)
        with self._turn():
            data = stickers.animate(moving.frames, "webp", holds=moving.holds, size=ANIMATION_SIZE)
            everything = pack.pack_zip(items, self.credits(), motion=moving)
        yield PackFiles(File(f"{name}.zip", everything), sheet, File(f"{name}-animated.webp", data))


def stem(recipe: Recipe) -> str:
    """What a recipe's files are called; a photo's say no more than that."""
    name = f"ganji-{recipe.kind}-{'photo' if recipe.photo else recipe.seed}"
    return stickers.safe_name(name)[:MAX_STEM]
