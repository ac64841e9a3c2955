"""Studio: the loaded models, one method per user action. The only stateful object of the core.

Every picture is a function of a Recipe (recipe.py) and, for a photo, of the face code that only its owner holds; so any
picture can be made again. Nothing here belongs to one visitor.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

import torch
from PIL import Image

from ganji import images, latents, project, project_options, validate
from ganji.align import AlignedFace, align_by_points, align_face
from ganji.blend import BlendCut, BlendPreset, blend_generators, blend_presets
from ganji.detect import FaceDetector, MTCNNDetector
from ganji.errors import DirectionsError, InputError
from ganji.expressions_pack import EXPRESSIONS, NamedAxes, has_named
from ganji.factorize import Directions, move
from ganji.manifest import Bundle
from ganji.memory import needs_memory
from ganji.networks.generator import Generator, use_channels_last
from ganji.project import ProjectionStep
from ganji.projector import Projector
from ganji.recipe import DEFAULT_STYLE, PhotoCode, Recipe
from ganji.results import Painted, Projected
from ganji.settle import Settler
from ganji.styles import StyleCodes
from ganji.weights import Fetch, WeightStore, open_store

Points = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]  # both eyes and the mouth, px

BLENDS_KEPT = 3


class Studio:
    """The models of one bundle, ready to use.

    Args:
        store, bundle: from weights.open_store.
        device: "cpu", "cuda", or None for CUDA where there is one.
        detector: finds faces; MTCNN by default.
    Raises:
        WeightsError: a file is missing, damaged, or not what the manifest says.
    """

    def __init__(
        self, store: WeightStore, bundle: Bundle, *, device: str | None = None, detector: FaceDetector | None = None
    ):
        self.bundle, self.store = bundle, store
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.detector = detector or MTCNNDetector(self.device)
        self.face, self.emoji, self.emoji_blend = self._load_generators()
        self.space = latents.w_statistics(self.face, activated=True)
        self.codebook = self._load("codebook", store.codebook)
        self._styles = StyleCodes(self.emoji, self.codebook)
        known = self._load("expression_map", store.expression_map)
        self.settler = Settler(self.codebook, known, latents.w_statistics(self.face))
        self.sliders_off = ""  # why there are none
        self.directions = {
            "emoji": self._load_directions("emoji_directions", self.emoji),
            "emojified": self._load_directions("emoji_blend_directions", self.emoji_blend),
        }
        self.perceptual = self._load("perceptual", store.perceptual)
        self.projector = Projector(
            self.face,
            self.space,
            self.perceptual,
            bank=self._load("bank", store.bank),
            reader=self._load("expression_reader", store.expression_reader),
            known=known,
        )
        self.weights_id = f"{bundle.name}.{store.digest(bundle)[:12]}"
        self._blends: OrderedDict[BlendCut, Generator] = OrderedDict()
        self._axes: dict[str, NamedAxes] = {}
        self._lock = threading.Lock()

    def _load_generators(self) -> tuple[Generator, Generator, Generator]:
        """face, emoji and emoji_blend; a file that serves two roles is loaded once."""
        names = [self.bundle.roles[role] for role in ("face", "emoji", "emoji_blend")]
        loaded = {name: self.store.generator(name).to(self.device) for name in dict.fromkeys(names)}
        for generator in loaded.values():
            use_channels_last(generator)
        return loaded[names[0]], loaded[names[1]], loaded[names[2]]

    def _load(self, role, reader):  # type: ignore[no-untyped-def]
        """What `reader` makes of a role's file, on the device, or None if the bundle has none."""
        name = self.bundle.roles.get(role)
        if name is None:
            return None
        value = reader(name)
        return value.to(self.device) if hasattr(value, "to") else value

    def _load_directions(self, role: str, generator: Generator) -> Directions:
        """The sliders of a generator; none, and the reason in `sliders_off`, if they belong to another one."""
        directions = self._load(role, self.store.directions)
        if directions is None:
            return Directions(())
        try:
            directions.check(generator)
        except DirectionsError as error:
            self.sliders_off = str(error)
            return Directions(())
        return directions

    # what can be chosen

    @property
    def img_resolution(self) -> int:
        """Side of every picture, in pixels."""
        return self.face.config.img_resolution

    @property
    def cuts(self) -> tuple[BlendPreset, ...]:
        """The cut points on offer, from all emoji to nearly all face."""
        return blend_presets(self.face.config)

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the style swatches, "<set>-<colour>"; the first is the default. Empty for bundles without a codebook."""
        return self._styles.names

    # actions

    def generate(
        self, seed: int, count: int = 1, truncation_psi: float = validate.TRUNCATION_PSI.default
    ) -> Iterator[Painted]:
        """Random emoji: picture i is seed + i, whatever the count. Yields them one by one.

        Raises:
            InputError: a value out of range, or the last seed is.
        """
        seed = validate.integer("seed", seed, validate.SEED)
        count = validate.integer("count", count, validate.COUNT)
        psi = validate.number("truncation_psi", truncation_psi, validate.TRUNCATION_PSI)
        validate.integer("the last seed", seed + count - 1, validate.SEED)
        for k in range(count):
            yield self.render(Recipe("emoji", seed=seed + k, truncation_psi=psi, weights=self.weights_id))

    @needs_memory
    def render(self, recipe: Recipe, code: PhotoCode | None = None) -> Painted:
        """Paint a recipe: float32, one picture at a time, so that it comes out the same for everybody on one machine.

        Args:
            code: the face code of a photo, if the recipe is of one.
        Raises:
            InputError: the recipe asks for something that this bundle does not have; a photo's code is missing or another.
        """
        generator = self._generator_of(recipe)
        w_plus = self._code_of(recipe, generator, code)
        sliders = self.directions.get(recipe.kind, Directions(()))
        if any(recipe.strengths):
            validate.strengths(list(recipe.strengths), len(sliders))
            w_plus = move(w_plus, sliders, recipe.strengths)
        w_plus = self.settler.settle(recipe.kind, w_plus, self._style_row(recipe))
        with torch.no_grad():
            picture = images.to_pil(generator.synthesis(w_plus))[0]
        return Painted(picture, replace(recipe, weights=self.weights_id))

    @needs_memory
    def align(self, photo: Image.Image, *, face_index: int = 0, points: Points | None = None) -> AlignedFace:
        """Crop a photo's face as the face generator knows it.

        Args:
            points: left eye, right eye and mouth, marked by hand; None: found.
        """
        if points is not None:
            left_eye, right_eye, mouth = points
            return align_by_points(photo, left_eye, right_eye, mouth, self.img_resolution)
        return align_face(photo, self.detector, self.img_resolution, face_index=face_index)

    @needs_memory
    def project(
        self,
        aligned: Image.Image,
        mode: str = "fast",
        *,
        state: project.ProjectionState | None = None,
        deadline: float | None = None,
    ) -> Iterator[ProjectionStep]:
        """Look for the code of an aligned face, step by step; `finish` makes the last step presentable.

        Args:
            mode: "fast" (enough for emoji) or "portrait".
            state: go on from an earlier step's state.
        Raises:
            InputError: no such mode. WeightsError: the bundle has no perceptual network.
        """
        validate.choice("mode", mode, tuple(project_options.MODES))
        yield from self.projector.project(aligned, mode, state, deadline)

    def preview(self, step: ProjectionStep) -> Image.Image:
        """What a projection's code looks like now, enlarged to full size."""
        return images.to_pil(step.picture)[0].resize((self.img_resolution,) * 2, Image.Resampling.BICUBIC)

    @needs_memory
    def finish(self, aligned: Image.Image, step: ProjectionStep, mode: str, seconds: float | None = None) -> Projected:
        """The result of a projection: its picture in float32 and how good it is."""
        return self.projector.finish(aligned, step, mode, seconds)

    def emojified(
        self,
        *,
        seed: int | None = None,
        code: PhotoCode | None = None,
        truncation_psi: float = validate.TRUNCATION_PSI.default,
        num_face_layers: int = 0,
        blend_strength: float = 1.0,
        style: str = DEFAULT_STYLE,
    ) -> Recipe:
        """The recipe of a face, random or a photo's, as an emoji.

        Raises:
            InputError: a value out of range, an unknown style, neither or both of seed and code.
        """
        if (seed is None) == (code is None):
            raise InputError("Give either a seed or a photo's face code.")
        layers = validate.Range(0, len(self.face.config.layer_order), 0)
        recipe = Recipe(
            "emojified",
            seed=None if seed is None else validate.integer("seed", seed, validate.SEED),
            photo=None if code is None else code.digest,
            truncation_psi=validate.number("truncation_psi", truncation_psi, validate.TRUNCATION_PSI),
            num_face_layers=validate.integer("cut", num_face_layers, layers),
            blend_strength=validate.number("strength", blend_strength, validate.BLEND_STRENGTH),
            style=validate.text("style", style, 60),
            weights=self.weights_id,
        )
        self._styles.check(recipe.style)
        return recipe

    def face_recipe(self, *, seed: int, truncation_psi: float = validate.TRUNCATION_PSI.default) -> Recipe:
        """The recipe of a random face."""
        seed = validate.integer("seed", seed, validate.SEED)
        psi = validate.number("truncation_psi", truncation_psi, validate.TRUNCATION_PSI)
        return Recipe("face", seed=seed, truncation_psi=psi, weights=self.weights_id)

    @needs_memory
    def pack(self, recipe: Recipe, code: PhotoCode | None = None) -> list[tuple[str, Recipe]]:
        """The expressions of an emoji pack, all from one code: (what it shows, the recipe), the picture itself first.

        Where random emoji have no named directions, it is the face of the same seed that shows the others, in their style.

        Raises:
            InputError: of a face, or these weights lack a named direction; a photo's code is missing.
        """
        if recipe.kind == "face":
            raise InputError("A pack is made of an emoji; turn the face into one first.")
        start = recipe
        if recipe.kind == "emoji" and recipe.seed is not None and not has_named(self.directions["emoji"]):
            style = self._styles.swatch_of(recipe.seed)
            start = self.emojified(seed=recipe.seed, truncation_psi=recipe.truncation_psi, style=style)
        w_plus = self._code_of(start, self._generator_of(start), code)
        with self._lock:
            if start.kind not in self._axes:
                generator = self.emoji if start.kind == "emoji" else self.face
                self._axes[start.kind] = NamedAxes.of(self.directions[start.kind], latents.w_statistics(generator))
            axes = self._axes[start.kind]
        moved = [start.moved(axes.strengths(one, w_plus, start.strengths)) for one in EXPRESSIONS]
        return [(one.label, new if one.levels else recipe) for one, new in zip(EXPRESSIONS, moved)]

    # how recipes become codes

    def _generator_of(self, recipe: Recipe) -> Generator:
        if recipe.kind in ("emoji", "face"):
            return self.emoji if recipe.kind == "emoji" else self.face
        cut = BlendCut(recipe.num_face_layers, recipe.blend_strength)
        if cut == BlendCut(0):
            return self.emoji_blend
        with self._lock:
            if cut not in self._blends:
                generator = blend_generators(self.face, self.emoji_blend, cut)
                use_channels_last(generator)
                self._blends[cut] = generator
                while len(self._blends) > BLENDS_KEPT:
                    self._blends.popitem(last=False)
            self._blends.move_to_end(cut)
            return self._blends[cut]

    def _code_of(self, recipe: Recipe, generator: Generator, code: PhotoCode | None) -> torch.Tensor:
        """w_plus [1, num_ws, w_dim] of a recipe, before sliders."""
        if recipe.kind == "emoji":
            assert recipe.seed is not None
            return self._styles.random(recipe.seed, recipe.truncation_psi)
        w_plus = self._face_code(recipe, code)
        if recipe.kind == "face":
            return w_plus
        num_ws, w_face = generator.config.num_ws, project.tied(w_plus, self.space)
        fine = latents.to_w_plus(self._styles.code(recipe.style, w_face), num_ws)
        return latents.mix(latents.to_w_plus(w_face, num_ws), fine, self._style_row(recipe) or num_ws)

    def _style_row(self, recipe: Recipe) -> int | None:
        """The first row of w_plus that reads the style; None: no row does."""
        if recipe.kind == "emoji":
            return self.emoji.config.style_row
        cut = BlendCut(recipe.num_face_layers, recipe.blend_strength)
        own_row = next((p.style_row for p in self.cuts if p.style_row and p.cut == cut), None)
        return own_row or self.emoji_blend.config.style_row

    def _face_code(self, recipe: Recipe, code: PhotoCode | None) -> torch.Tensor:
        """w_plus of the face that a recipe starts from."""
        config = self.face.config
        if recipe.photo is None:
            assert recipe.seed is not None
            w = latents.w_from_seeds(self.face, [recipe.seed])
            return latents.to_w_plus(latents.truncate(w, self.space.mean, recipe.truncation_psi), config.num_ws)
        if code is None:
            raise InputError("This picture comes from a photo; open the recipe file that holds its face code.")
        if code.digest != recipe.photo or code.w_plus.shape != (config.num_ws, config.w_dim):
            raise InputError("This face code is not the one that the recipe names.")
        return torch.from_numpy(code.w_plus.copy())[None].to(self.device)


def open_studio(device: str | None = None, fetch: Fetch | None = None) -> Studio:
    """The studio that the environment asks for (weights.Settings); `fetch` downloads, hub.fetch by default."""
    from ganji import hub

    return Studio(*open_store(fetch=fetch or hub.fetch), device=device)
