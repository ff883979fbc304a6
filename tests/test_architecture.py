"""The house rules that a machine can check."""

import ast
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent

# Which room must not import from which.
FORBIDDEN = {
    "stemset": {"accounts", "catalog", "processing"},
    "catalog": {"accounts", "processing"},
    "accounts": {"processing"},
    "processing": {"accounts"},
    "processing/audio": {"django", "catalog", "stemset"},
    "catalog/legacy": {"django"},
}
# A library without Django in it, and its errors, are for everybody.
LIBRARIES = ("processing.audio", "processing.errors")
# The one place where all rooms meet is the table of addresses.
EXEMPT = {"stemset/urls.py"}


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports anywhere in its text, the libraries aside."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names if not name.startswith(LIBRARIES)}


@pytest.mark.parametrize("room", FORBIDDEN)
def test_imports_go_one_way(room):
    modules = [path for path in (ROOT / room).rglob("*.py") if str(path.relative_to(ROOT)) not in EXEMPT]
    assert modules
    for module in modules:
        assert not imported(module) & FORBIDDEN[room], module


def test_every_command_of_ours_is_exercised_by_a_test():
    ours = [name for name, app in get_commands().items() if app in {"accounts", "catalog", "processing", "stemset"}]
    assert {"process", "fetch_models"} <= set(ours)
    texts = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in ours if f'"{name}"' not in texts] == []


def test_no_file_names_an_index_or_an_address_of_packages():
    for path in [*(ROOT / "requirements").glob("*.txt"), ROOT / "package-lock.json"]:
        text = re.sub(r'"url": "https://(opencollective|github)\.com/[\w/]+"', "", path.read_text())  # "funding"
        assert "://" not in text, path
