"""docs/configuration.md names exactly the variables that the code reads; other pages name no unknown ones."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"GANJI_[A-Z_]+")


def read_by_the_code():
    """Texts of the source that are nothing but a variable's name."""
    found = set()
    for path in [ROOT / "app.py", *(ROOT / "ganji").rglob("*.py"), *(ROOT / "deploy").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
                found.add(node.value)
    return found


def test_the_table_is_complete_and_has_nothing_else():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(GANJI_[A-Z_]+)` \| (.{10,}?) \| (.+?) \|$", page, re.MULTILINE)
    assert {name for name, _, _ in rows} == read_by_the_code()
    assert len(rows) == len(read_by_the_code()), "no variable stands there twice"


def test_other_pages_name_only_variables_that_exist():
    known = read_by_the_code()
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert set(NAME.findall(path.read_text(encoding="utf-8"))) <= known, path.name


def test_links_between_the_pages_lead_somewhere():
    for path in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
