"""The rules of this repository that no other tool checks: sizes of files, modules and functions, and docstrings.

    python scripts/house_rules.py

Looks at what Git tracks. Prints one line for each finding; ends with 1 if there is any.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE, MAX_TOTAL = 16 << 20, 60_000_000  # bytes
MAX_FUNCTION = 100  # lines
MAX_LINES = {"ganji/networks/": 400, "tests/": 800, "": 350}  # the first that fits; a module's tests stay in one file
NEEDS_NO_DOCSTRING = ("forward", "main")  # said by the class, by the module

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = dict[str, tuple[set[str], set[str]]]  # class -> (names of its bases, names of its documented methods)


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    findings = list(sizes(names))
    trees = {name: ast.parse((ROOT / name).read_bytes()) for name in names if name.endswith(".py")}
    classes = documented_methods(trees.values())
    for name, tree in trees.items():
        findings += lengths(name, tree)
        if not name.startswith("tests/"):
            findings += (f"{name}:{line}: {what} has no docstring" for line, what in bare(tree, classes))
    print("\n".join(findings) if findings else f"House rules: {len(names)} files follow them")
    return bool(findings)


def sizes(names: list[str]) -> Iterator[str]:
    """Files that are too large, and whether all of them together are."""
    found = {name: (ROOT / name).stat().st_size for name in names}
    for name, size in found.items():
        if size > MAX_FILE:
            yield f"{name}: {size} bytes; at most {MAX_FILE}"
    if sum(found.values()) > MAX_TOTAL:
        yield f"all tracked files: {sum(found.values())} bytes; at most {MAX_TOTAL}"


def lengths(name: str, tree: ast.Module) -> Iterator[str]:
    """A module and functions that are too long."""
    lines = len((ROOT / name).read_bytes().splitlines())
    most = next(limit for prefix, limit in MAX_LINES.items() if name.startswith(prefix))
    if lines > most:
        yield f"{name}: {lines} lines; at most {most}"
    for node in ast.walk(tree):
        if isinstance(node, Function) and (took := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION:
            yield f"{name}:{node.lineno}: {node.name} has {took} lines; at most {MAX_FUNCTION}"


def documented_methods(trees) -> Documented:
    """What each class inherits from and documents; of two classes of one name, both together."""
    found: Documented = {}
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        bases, methods = found.setdefault(node.name, (set(), set()))
        bases |= {part.id for base in node.bases for part in ast.walk(base) if isinstance(part, ast.Name)}
        methods |= {m.name for m in node.body if isinstance(m, Function) and ast.get_docstring(m)}
    return found


def bare(tree: ast.Module, classes: Documented) -> Iterator[tuple[int, str]]:
    """(line, name) of public functions, methods and classes without a docstring of their own or of a base class."""

    def visit(body: list[ast.stmt], owner: str) -> Iterator[tuple[int, str]]:
        for node in body:
            if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
                continue
            if isinstance(node, ast.ClassDef):
                yield from visit(node.body, node.name)
            elif node.name in NEEDS_NO_DOCSTRING or inherits(owner, node.name) or is_setter_or_overload(node):
                continue
            if not ast.get_docstring(node):
                yield node.lineno, f"{owner}.{node.name}" if owner else node.name

    def inherits(owner: str, method: str) -> bool:
        bases = classes.get(owner, (set(), set()))[0] - {owner}
        return any(method in classes.get(base, (set(), set()))[1] or inherits(base, method) for base in bases)

    return visit(tree.body, "")


def is_setter_or_overload(node: Function) -> bool:
    """Whether a function's documentation is elsewhere by its nature."""
    return any(ast.unparse(d).rpartition(".")[2] in ("setter", "overload") for d in node.decorator_list)


if __name__ == "__main__":
    raise SystemExit(main())
