"""Who may import whom (README's file map): read from the source, so that imports inside functions count as well."""

import ast
import graphlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the ground up. A module may import its own layer and those below it. What is named nowhere is a technique.
LAYERS = (
    ("errors",),
    ("networks",),
    ("avif_header", "checksums", "detect", "hub_cache", "hub_watch", "images", "loading", "manifest", "manifest_edit",
     "memory", "observe", "outline", "palettes", "perceptual", "photo_headers", "precision", "privacy", "regions", "turns",
     "validate"),
    ("formats", "convert", "hub"),
    ("technique",),
    ("weights",),
    ("studio", "training"),
    ("service", "workshop", "data"),
    ("ui", "commands"),
    ("app", "cli", "__main__"),
)  # fmt: skip
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

TECHNIQUES_APART = {"align", "blend", "factorize", "project", "stickers"}  # none of them knows another
ONLY = {  # all that these may import of ours
    "errors": set(),
    "networks.ops.haar": set(),
    "networks.ops.resample": set(),
    "validate": {"errors"},
    "recipe": {"errors", "validate"},
    "images": {"errors"},
    "manifest": {"errors", "networks.config"},
    "perceptual": {"errors"},
}
WITHOUT_TORCH = ("recipe", "validate", "admission", "manifest", "observe", "privacy", "photos", "png_recipe", "errors")
ONLY_IN = {  # a package -> where it may be imported
    "gradio": r"app|ui(\..*)?",
    "gradio_client": r"ui(\..*)?",
    "huggingface_hub": r"hub|commands\.(publish|deploy.*)",
    "facenet_pytorch": r"detect",
    "starlette": r"ui(\..*)?",
    "fastapi": r"ui(\..*)?",
    "torchvision": r"(?!)",
    "spaces": r"ui(\..*)?|app",
}
RUNTIME_PACKAGES = {"gradio", "huggingface_hub", "torch", "facenet_pytorch", "numpy", "PIL", "safetensors"}
REQUIRED_BY_THEM = {"starlette", "fastapi", "mcp", "pydantic", "anyio", "uvicorn", "httpx2", "filelock"}
OPTIONAL = {"spaces"}  # there on a Space with ZeroGPU


@cache
def modules():
    """{name without "ganji.": path}; app.py is "app", the package itself ""."""
    found = {"app": ROOT / "app.py"}
    for path in sorted((ROOT / "ganji").rglob("*.py")):
        parts = path.relative_to(ROOT / "ganji").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name):
    """(ours, top-level packages of others, ours imported outside of functions)."""
    tree = ast.parse(modules()[name].read_bytes())
    inside = {
        id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)
    }
    lazy_types = {id(n) for test in ast.walk(tree) if is_type_checking(test) for n in ast.walk(test)}
    ours, others, early = set(), set(), set()
    for node in ast.walk(tree):
        for full in full_names(node, name):
            if full == "ganji" or full.startswith("ganji."):
                ours.add(full[6:])
                if id(node) not in inside | lazy_types:
                    early.add(full[6:])
            else:
                others.add(full.partition(".")[0])
    return ours, others, early


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def full_names(node, name):
    """What an import statement imports, as modules."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert node.level == 0, f"{name}: relative import"
    names = [f"{node.module}.{alias.name}" for alias in node.names]
    return [full if full[6:] in modules() and full.startswith("ganji.") else node.module for full in names]


def rank(name):
    """The layer of a module."""
    return RANK.get(name, RANK.get(name.partition(".")[0], RANK["technique"]))


def closure(start):
    """Every module of ours that a module can come to import."""
    found, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += imports(name)[0]
    return found


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_go_down_only(name):
    if not name:  # the package itself loads nothing
        assert not imports(name)[2]
        return
    for other in imports(name)[0] - {""}:
        assert rank(other) <= rank(name), f"{name} may not import {other}"
    if name in ONLY:
        assert imports(name)[0] <= ONLY[name]
    if name in TECHNIQUES_APART:
        assert not imports(name)[0] & TECHNIQUES_APART
    for package, places in ONLY_IN.items():
        if package in imports(name)[1]:
            assert re.fullmatch(places, name), f"{name} may not import {package}"


def test_no_circles():
    list(graphlib.TopologicalSorter({name: imports(name)[2] for name in modules()}).static_order())


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_plain_modules_know_no_tensors(name):
    for one in closure(name):
        assert "torch" not in imports(one)[1], f"{name} comes to import torch through {one}"


def test_training_and_data_belong_to_commands_alone():
    users = {name for name in modules() if any(rank_group(other) for other in imports(name)[0])}
    assert {name.partition(".")[0] for name in users} <= {"training", "data", "commands"}
    for name in closure("app"):
        assert not rank_group(name), f"the page comes to import {name}"
        assert name.partition(".")[0] not in ("commands", "cli"), f"the page comes to import {name}"


def rank_group(name):
    """Whether a module is of the tools that a Space has no packages for."""
    return name.partition(".")[0] in ("training", "data")


def test_the_page_needs_no_package_that_requirements_do_not_name():
    used = set().union(*(imports(name)[1] for name in closure("app"))) - set(sys.stdlib_module_names)
    assert used - OPTIONAL <= RUNTIME_PACKAGES | REQUIRED_BY_THEM
    written = (ROOT / "requirements.txt").read_text(encoding="utf-8").lower().replace("-", "_").replace("pillow", "pil")
    for package in RUNTIME_PACKAGES:
        assert re.search(rf"^{package.lower()}\b", written, re.MULTILINE), package


def test_importing_the_package_loads_nothing():
    code = "import sys, ganji; print(sorted({'torch', 'gradio', 'PIL', 'numpy', 'huggingface_hub'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_rules_can_be_broken(monkeypatch, tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from ganji import studio\n    import torchvision.ops\n", encoding="utf-8")
    monkeypatch.setitem(modules(), "recipe", bad)
    imports.cache_clear()
    try:
        assert imports("recipe") == ({"studio"}, {"torchvision"}, set())
        with pytest.raises(AssertionError, match="recipe may not import studio"):
            test_imports_go_down_only("recipe")
    finally:
        monkeypatch.undo()
        imports.cache_clear()
