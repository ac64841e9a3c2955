"""WeightSpec -> a verified local file -> a loaded network.

Bytes and sha256 are checked at every start, before anything is read. A file comes from exactly one place: the user's own
folder (GANJI_WEIGHTS_DIR) if it holds it, else the bundled copy if the manifest lists one, else the Hub at the pinned
commit. There is no silent substitute.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganji import manifest as manifests
from ganji.bank import LatentBank
from ganji.checksums import sha256_file, short_name, verify
from ganji.codebook import Codebook
from ganji.errors import CheckpointError, WeightsError
from ganji.expression_map import ExpressionMap
from ganji.expression_reader import ExpressionReader
from ganji.factorize import Directions
from ganji.formats import native
from ganji.manifest import Bundle, Manifest, WeightSpec
from ganji.networks.generator import Generator
from ganji.perceptual import LPIPS

ROOT = Path(__file__).resolve().parent.parent
Fetch = Callable[[WeightSpec], Path]


@dataclass(frozen=True)
class Settings:
    """Which weights to use.

    Attributes:
        manifest: path of weights_manifest.json. bundle: its entry. folder: the user's own weights, or None.
    """

    manifest: Path
    bundle: str
    folder: Path | None

    @classmethod
    def from_environment(cls) -> Settings:
        """GANJI_MANIFEST, GANJI_BUNDLE and GANJI_WEIGHTS_DIR, or the defaults.

        Raises:
            WeightsError: GANJI_WEIGHTS_DIR is no folder, so that other weights would be used than was meant.
        """
        folder = os.environ.get("GANJI_WEIGHTS_DIR")
        if folder and not Path(folder).is_dir():
            raise WeightsError(f"GANJI_WEIGHTS_DIR must be a folder, and {short_name(folder)!r} is none.")
        return cls(
            Path(os.environ.get("GANJI_MANIFEST") or ROOT / "weights_manifest.json"),
            os.environ.get("GANJI_BUNDLE") or "default",
            Path(folder) if folder else None,
        )


class WeightStore:
    """The files of one manifest, found and verified once per process.

    Args:
        fetch: downloads a file that is neither bundled nor in the user's folder (hub.py).
    """

    def __init__(
        self, manifest: Manifest, *, folder: Path | None = None, root: Path = ROOT, fetch: Fetch | None = None
    ):
        self.manifest, self.folder, self.root, self._fetch = manifest, folder, root, fetch
        self._verified: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """The verified local file of a manifest id.

        Raises:
            ManifestError, WeightsError: unknown, not available, or not the bytes the manifest names.
        """
        if name not in self._verified:
            spec = self.manifest.file(name)
            path = self._locate(spec)
            verify(path, spec)
            self._verified[name] = path
        return self._verified[name]

    def _locate(self, spec: WeightSpec) -> Path:
        if self.folder is not None and (own := self.folder / spec.filename).is_file():
            return own
        if spec.bundled is not None:
            return self.root / spec.bundled
        if spec.repo_id is None:
            raise WeightsError(
                f"{short_name(spec.filename)} is not on the Hub; put it into a folder and set GANJI_WEIGHTS_DIR to that folder."
            )
        if self._fetch is None:
            raise WeightsError(f"{short_name(spec.filename)} must be downloaded, and this process does not download.")
        return self._fetch(spec)

    def digest(self, bundle: Bundle) -> str:
        """One digest over all files of a bundle: what a recipe names."""
        parts = [f"{role}:{self.manifest.file(name).sha256}" for role, name in sorted(bundle.roles.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def bank(self, name: str) -> LatentBank:
        """A latent bank by manifest id."""
        return LatentBank.from_file(native.read(self.path(name), "bank"))

    def generator(self, name: str) -> Generator:
        """A generator by manifest id: eval mode, float32, CPU."""
        spec = self.manifest.file(name)
        if spec.kind != "generator":
            raise WeightsError(f"{name} is a {spec.kind} file, not a generator.")
        path = self.path(name)
        if spec.format != "safetensors":
            from ganji import convert

            return convert.read_generator(path, spec.config)
        return read_generator(path, self._mapping_by_digest)

    def _mapping_by_digest(self, digest: str) -> Path | None:
        for spec in self.manifest.files.values():
            if spec.kind == "mapping" and spec.sha256 == digest:
                return self.path(spec.id)
        return None

    def directions(self, name: str) -> Directions:
        """Directions by manifest id; whether they belong to a generator is `Directions.check`'s business."""
        if self.manifest.file(name).format == "factor":
            from ganji.formats import rosinality

            return Directions.from_factor(rosinality.read_factor(self.path(name)))
        return Directions.from_file(native.read(self.path(name), "directions"))

    def codebook(self, name: str) -> Codebook:
        """A codebook by manifest id."""
        return Codebook.from_file(native.read(self.path(name), "codebook"))

    def expression_map(self, name: str) -> ExpressionMap:
        """An expression map by manifest id."""
        return ExpressionMap.from_file(native.read(self.path(name), "expression-map"))

    def expression_reader(self, name: str) -> ExpressionReader:
        """An expression reader by manifest id."""
        return ExpressionReader.from_file(native.read(self.path(name), "expression-reader"))

    def perceptual(self, name: str) -> LPIPS:
        """An LPIPS network by manifest id, float32, without gradients."""
        stored = native.read(self.path(name), "perceptual")
        network = LPIPS(stored.header.get("backbone", ""))
        try:
            network.load_state_dict({key: tensor.float() for key, tensor in stored.tensors.items()})
        except RuntimeError as exc:
            raise CheckpointError(f"{short_name(self.manifest.file(name).filename)} is no LPIPS network.") from exc
        return network.eval().requires_grad_(False)


def read_generator(path: Path, find_mapping: Callable[[str], Path | None] = lambda digest: None) -> Generator:
    """Read one of our generator files; its mapping network may lie beside it, or where `find_mapping` says.

    Raises:
        CheckpointError: not such a file, or its mapping network is nowhere.
    """
    stored = native.read(path, "generator")
    tensors = dict(stored.tensors)
    parts = stored.header.get("parts") or {}
    unknown = sorted(set(parts) - {"mapping"}) if isinstance(parts, dict) else ["parts is no object"]
    if unknown:
        raise CheckpointError(f"{short_name(path)} needs tensors of a kind that we do not share: {unknown[0][:40]}.")
    digest = stored.mapping_sha256
    if digest is not None:
        mapping = _beside(path, digest) or find_mapping(digest)
        if mapping is None:
            raise CheckpointError(
                f"{short_name(path)} needs its mapping network (sha256 {digest[:12]}…) beside it or in the bundle."
            )
        tensors |= native.read(mapping, "mapping").tensors
    return native.build(stored.config, tensors, short_name(path))


def _beside(path: Path, digest: str) -> Path | None:
    """A mapping file in the same folder with that sha256, whatever it is called."""
    for other in sorted(path.parent.glob("*.safetensors")):
        if other != path and native.is_kind(other, "mapping") and sha256_file(other) == digest:
            return other
    return None


def open_store(settings: Settings | None = None, *, fetch: Fetch | None = None) -> tuple[WeightStore, Bundle]:
    """The store and bundle that the environment asks for."""
    settings = settings or Settings.from_environment()
    store = _store(settings, fetch)
    return store, store.manifest.bundle(settings.bundle)


def _store(settings: Settings, fetch: Fetch | None) -> WeightStore:
    manifest = manifests.load_manifest(settings.manifest)
    return WeightStore(manifest, folder=settings.folder, root=settings.manifest.resolve().parent, fetch=fetch)


def load_generator(name_or_path: str | os.PathLike[str]) -> Generator:
    """A generator by manifest id ("emoji") or by path (our safetensors, rosinality .pt, NVlabs .pkl).

    Returns:
        Eval mode, float32, CPU: `.mapping(z [N, 512]) -> w [N, 512]` and
        `.synthesis(w_plus [N, num_ws, 512]) -> [N, 3, R, R]`.
    Raises:
        GanjiError: unknown name, missing file, or not a generator.
    """
    from ganji import convert, hub

    text = os.fspath(name_or_path)
    path = Path(text)
    store = _store(Settings.from_environment(), hub.fetch)
    if text in store.manifest.files:
        return store.generator(text)
    if not path.exists():
        known = ", ".join(spec.id for spec in store.manifest.files.values() if spec.kind == "generator")
        raise WeightsError(f"{short_name(path)!r} is neither a file nor one of the generators {known[:100]}.")
    if path.suffix == ".safetensors":
        return read_generator(path, store._mapping_by_digest)
    return convert.read_generator(path)
