"""Imports go down only: each part of the house may use the floors below it."""

import ast
import sys
from pathlib import Path

import pytest

import skdict

ROOT = Path(skdict.__file__).parent
BELOW = {
    "exceptions": set(),
    "_outputs": set(),
    "_text": set(),
    "_files": set(),
    "_store": {"_files"},
    "activations": {"_files", "_store"},
    "_core": set(),
    "models": set(),
    "_validation": {"activations"},
    "datasets": {"_files", "_validation", "models"},
    "decomposition": {"_core", "_validation", "activations", "exceptions"},
    "feature_extraction": {
        "_core",
        "_files",
        "_validation",
        "activations",
        "exceptions",
        "models",
    },
    "metrics": {"_core", "_validation", "activations", "decomposition"},
    "io": {"_core", "_files", "_validation", "decomposition"},
    "inspection": {
        "_core",
        "_files",
        "_outputs",
        "_store",
        "_text",
        "_validation",
        "activations",
        "decomposition",
        "exceptions",
        "metrics",
    },
    "interventions": {
        "_core",
        "_validation",
        "activations",
        "datasets",
        "decomposition",
        "exceptions",
        "feature_extraction",
        "inspection",
        "metrics",
        "models",
    },
    "interpretation": {
        "_core",
        "_files",
        "_outputs",
        "_text",
        "_validation",
        "activations",
        "decomposition",
        "exceptions",
        "feature_extraction",
        "inspection",
        "metrics",
        "models",
    },
}
OUTSIDE = {
    "_files": {"numpy"},
    "_store": {"numpy"},
    "activations": {"numpy"},
    "_core": {"torch", "numpy", "scipy", "numba"},
    "models": {"torch", "numpy", "transformers", "gguf"},
    "datasets": {"sklearn", "numpy", "scipy", "huggingface_hub"},
}


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


@pytest.mark.parametrize("part", BELOW)
def test_imports_go_down(part):
    for path in files_of(part):
        for name in imports_of(path):
            package, *inner = name.split(".")
            assert name != "skdict", f"{path.name} imports from the top floor"
            if package == "skdict" and inner:
                assert inner[0] in BELOW[part] | {part}, f"{path.name} imports {name}"
            elif part in OUTSIDE:
                assert package in OUTSIDE[part] | sys.stdlib_module_names, (
                    f"{path.name} imports {name}"
                )


def test_every_part_has_a_floor():
    parts = {p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert parts - {"__init__", "__main__", "_cli"} == set(BELOW)


def test_no_part_is_large():
    for path in ROOT.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path
