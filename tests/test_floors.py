"""Imports go down only, and every package is reached by its front door."""

import ast
import sys
from pathlib import Path

import pytest

import skdict

ROOT = Path(skdict.__file__).parent
# From the ground up. What stands on one floor is in rooms of its own, but for those that are
# named before others in one tuple, which may import them.
FLOORS = [
    [
        ("_core",),
        ("_files",),
        ("_outputs",),
        ("_text",),
        ("_vocabulary",),
        ("_version",),
        ("exceptions",),
    ],
    [("models", "_validation", "activations", "_store")],
    [("feature_extraction", "decomposition"), ("datasets",)],
    [("metrics",)],
    [("io",), ("_llm",)],
    [("inspection",), ("interventions",)],
    [("interpretation",), ("evaluation",)],
    [("__main__", "_cli"), ("__init__",)],
]
# What the lower floors may import from elsewhere.
OUTSIDE = {
    "_files": {"numpy"},
    "_vocabulary": {"numpy"},
    "_store": {"numpy"},
    "activations": {"numpy"},
    "_core": {"torch", "numpy", "scipy", "numba"},
    "models": {"torch", "numpy", "transformers", "gguf"},
    "datasets": {"sklearn", "numpy", "scipy", "huggingface_hub"},
}
MOST_LINES, MOST_BODY_LINES, MOST_AT_THE_TOP = 400, 30, 7


def parts_below():
    """Return for each part those that it may import."""
    below, found = set(), {}
    for floor in FLOORS:
        for rooms in floor:
            found |= {part: below | set(rooms[i:]) for i, part in enumerate(rooms)}
        below = below | {part for rooms in floor for part in rooms}
    return found


def imports_of(path):
    """Return the dotted names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def files_of(part):
    folder = ROOT / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{part}.py"]


def body_lines(function):
    """Return the lines of a function without its head and docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


BELOW = parts_below()


@pytest.mark.parametrize("part", BELOW)
def test_imports_go_down(part):
    for path in files_of(part):
        for name in imports_of(path):
            package, *inner = name.split(".")
            assert name != "skdict" or part == "_cli", f"{path} imports from the top floor"
            if package == "skdict" and inner:
                assert inner[0] in BELOW[part], f"{path} imports {name}"
            elif part in OUTSIDE:
                assert package in OUTSIDE[part] | sys.stdlib_module_names, f"{path} imports {name}"


@pytest.mark.parametrize("part", BELOW)
def test_no_part_imports_a_private_module_of_another(part):
    for path in files_of(part):
        for name in imports_of(path):
            package, *inner = name.split(".")
            if package == "skdict" and inner and {inner[0], part} != {"__main__", "_cli"}:
                private = [module for module in inner[1:] if module.startswith("_")]
                assert inner[0] == part or not private, f"{path} imports {name}"


def test_every_part_has_a_floor():
    parts = {p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert parts == set(BELOW)


@pytest.mark.parametrize("part", BELOW)
def test_files_and_functions_are_short(part):
    for path in files_of(part):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= MOST_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert body_lines(node) <= MOST_BODY_LINES, f"{path}: {node.name}"


def test_interpretation_has_few_files_at_the_top():
    assert len(list((ROOT / "interpretation").glob("*.py"))) <= MOST_AT_THE_TOP
