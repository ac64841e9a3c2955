"""What a Space consists of: the modules that app.py imports, what lies beside them, its weights, README and requirements.

Reads the source of the imports instead of keeping a list, so that a new module is never forgotten and a data tool never
uploaded. Knows neither the Hub nor a token.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ganji.checksums import short_name
from ganji.errors import WeightsError
from ganji.manifest import Bundle, WeightSpec
from ganji.weights import ROOT, WeightStore

Contents = Mapping[str, Path | bytes]  # path in the Space -> file or text
ZERO_GPU = "zero-a10g"
ZERO_GPU_PINS = {"torch": "2.11.0", "torchvision": "0.26.0"}  # the newest that ZeroGPU lists
ZERO_GPU_BRINGS = ("gradio", "huggingface_hub", "spaces")  # installed by the Space itself, and not to be listed
ZERO_GPU_PYTHON = "3.12"
FIXED = ("requirements.txt", "packages.txt", "LICENSE", "NOTICE")  # those that are there
CARDS = "docs/models/*.md"  # they hold the weights' terms
_FRONT = re.compile(r"---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"^(\w+):.*\n(?:(?:[ \t-].*)\n)*", re.MULTILINE)


def gather(store: WeightStore, bundle: Bundle, manifest: Path, hardware: str | None = None) -> Contents:
    """All files of a Space.

    Args:
        manifest: path of the manifest that `store` was read from.
        hardware: ZeroGPU gets its own requirements and Python version.
    Raises:
        WeightsError: a weight file is neither bundled nor on the Hub, or not the one that the manifest names.
    """
    contents: dict[str, Path | bytes] = {name: ROOT / name for name in FIXED if (ROOT / name).is_file()}
    contents |= {path.relative_to(ROOT).as_posix(): path for path in [*sources(ROOT), *ROOT.glob(CARDS)]}
    contents["weights_manifest.json"] = manifest
    specs = [store.manifest.file(name) for name in dict.fromkeys(bundle.roles.values())]
    contents |= {spec.bundled: store.path(spec.id) for spec in specs if spec.bundled is not None}
    homeless = next((spec for spec in specs if spec.bundled is None and spec.repo_id is None), None)
    if homeless is not None:
        raise WeightsError(
            f"{short_name(homeless.filename)} is neither bundled nor on the Hub, so a Space cannot have it; publish the bundle first."
        )
    contents["README.md"] = space_readme((ROOT / "README.md").read_text(encoding="utf-8"), specs, hardware).encode()
    if hardware == ZERO_GPU:
        contents["requirements.txt"] = zero_gpu_requirements((ROOT / "requirements.txt").read_text()).encode()
    return dict(sorted(contents.items()))


def sources(root: Path) -> list[Path]:
    """app.py, every module of ours that it imports, directly or not, and the other files of their packages."""
    found: set[Path] = set()
    queue = [root / "app.py"]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found.add(path)
        queue += [part for name in _imports(path) for part in _files_of(root, name)]
    packages = {path.parent for path in found if path.name == "__init__.py"}
    for package in packages:
        found.update(_assets(package))
    return sorted(found)


def _imports(path: Path) -> Iterator[str]:
    """Names of ours that a module imports, also inside functions; "ganji.ui.files" may be a module or a value in one."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "ganji")
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "ganji":
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files_of(root: Path, name: str) -> list[Path]:
    """The files that importing a dotted name runs: the packages above it, and itself if it is a module."""
    parts = name.split(".")
    folders = [root.joinpath(*parts[: k + 1]) for k in range(len(parts))]
    candidates = [*(folder / "__init__.py" for folder in folders), folders[-1].with_suffix(".py")]
    return [path for path in candidates if path.is_file()]


def _assets(package: Path) -> Iterator[Path]:
    """What lies in a package or below it and is no code, without other packages."""
    for path in package.iterdir():
        if path.name.startswith((".", "__")) or path.suffix in (".py", ".pyi"):
            continue
        if path.is_file():
            yield path
        elif not (path / "__init__.py").exists():
            yield from _assets(path)


def preload(specs: list[WeightSpec]) -> list[str]:
    """Entries of preload_from_hub: "repository file1,file2 commit" for each repository that files come from."""
    names: dict[tuple[str, str], list[str]] = {}
    for spec in specs:
        if spec.bundled is None and spec.repo_id is not None and spec.revision is not None:
            names.setdefault((spec.repo_id, spec.revision), []).append(spec.filename)
    return [f"{repo_id} {','.join(files)} {revision}" for (repo_id, revision), files in names.items()]


def space_readme(readme: str, specs: list[WeightSpec], hardware: str | None = None) -> str:
    """The README with the front matter of a Space that has these weights and this hardware.

    Raises:
        WeightsError: it has no front matter.
    """
    match = _FRONT.match(readme)
    if match is None:
        raise WeightsError("README.md has no front matter, so it cannot be a Space's.")
    front = match[1]
    entries = preload(specs)
    front = _set(front, "preload_from_hub", "".join(f"\n  - {entry}" for entry in entries) if entries else None)
    if hardware is not None:
        front = _set(front, "suggested_hardware", f" {hardware}")
    if hardware == ZERO_GPU:
        front = _set(front, "python_version", f' "{ZERO_GPU_PYTHON}"')
    return f"---\n{front}---\n{readme[match.end() :]}"


def _set(front: str, key: str, value: str | None) -> str:
    """A front matter with an entry replaced, added, or (None) taken out."""
    line = "" if value is None else f"{key}:{value}\n"
    for match in _ENTRY.finditer(front):
        if match[1] == key:
            return front[: match.start()] + line + front[match.end() :]
    return front + line


def zero_gpu_requirements(requirements: str) -> str:
    """requirements.txt for ZeroGPU: the torch that it supports, and nothing that it brings itself."""
    lines = []
    for line in requirements.splitlines():
        name = re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0].lower().replace("-", "_")
        if name in ZERO_GPU_PINS:
            lines.append(f"{name}=={ZERO_GPU_PINS[name]}")
        elif name not in ZERO_GPU_BRINGS:
            lines.append(line)
    return "\n".join(lines) + "\n"
