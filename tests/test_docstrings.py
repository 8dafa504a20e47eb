"""Public docstrings are complete numpydoc, in the field's terms."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import skdict

ROOT = Path(skdict.__file__).parent
PACKAGES = sorted({p.relative_to(ROOT).parts[0].removesuffix(".py") for p in ROOT.rglob("*.py")})
# How a description must not begin: it says what the thing is or does.
HABITS = ("Whether ", "Of ", "As in ", "Who ", "Whom ", "What ")

MODULES = (
    "skdict",
    "skdict.activations",
    "skdict.datasets",
    "skdict.decomposition",
    "skdict.evaluation",
    "skdict.exceptions",
    "skdict.feature_extraction",
    "skdict.inspection",
    "skdict.interpretation",
    "skdict.interpretation.llm",
    "skdict.interpretation.ratings",
    "skdict.interventions",
    "skdict.io",
    "skdict.metrics",
    "skdict.models",
)
CHECKED = {
    "GL01",
    "GL02",
    "GL05",
    "GL06",
    "GL07",
    "GL08",
    "GL10",
    "SS01",
    "SS02",
    "SS03",
    "SS05",
    "PR01",
    "PR02",
    "PR03",
    "PR04",
    "PR06",
    "PR07",
    "PR08",
    "PR09",
    "PR10",
    "RT01",
    "RT03",
    "YD01",
}
# One-line summaries may open the text on the line of the quotes, as PEP 257 has it.
CHECKED -= {"GL01", "GL02", "SS05"}


def results():
    """Return module and name of the objects that functions return, as the API page lists them."""
    page = (ROOT.parent / "docs" / "api.rst").read_text(encoding="utf-8")
    part = page.split(".. currentmodule:: skdict\n")[1].split("currentmodule")[0]
    names = re.findall(r"^   ([\w.]+\.\w+)$", part, re.MULTILINE)
    return [tuple(f"skdict.{name}".rsplit(".", 1)) for name in names]


def public_names():
    names = set()
    listed = [(m, name) for m in MODULES for name in importlib.import_module(m).__all__]
    for module_name, name in [*listed, *results()]:
        thing = getattr(importlib.import_module(module_name), name)
        home = f"{module_name}.{name}"
        names.add(home)
        if inspect.isclass(thing):
            names |= {
                f"{home}.{member}"
                for member, value in inspect.getmembers(thing, inspect.isfunction)
                if not member.startswith("_") and value.__module__.startswith("skdict.")
            }
    return sorted(names)


@pytest.mark.parametrize("name", public_names())
def test_docstrings(name):
    faults = [(code, text) for code, text in validate(name)["errors"] if code in CHECKED]
    assert faults == []


def descriptions(path):
    """Yield line, name and description of every parameter and attribute that a file documents."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            sections = NumpyDocString(ast.get_docstring(node))
            for section in ("Parameters", "Attributes"):
                for entry in sections[section]:
                    yield node.lineno, entry.name, " ".join(entry.desc).strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_descriptions_say_what_a_thing_is_or_does(package):
    folder = ROOT / package
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{package}.py"]
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}: {text[:40]}"
        for path in files
        for line, name, text in descriptions(path)
        if text.startswith(HABITS)
    ]
    assert found == []


@pytest.mark.parametrize("module_name", MODULES)
def test_public_names_are_sorted(module_name):
    names = importlib.import_module(module_name).__all__
    # As the linter has it: acronyms first.
    assert list(names) == sorted(names, key=lambda name: (not name.isupper(), name))


@pytest.mark.parametrize(
    "name", ["SparseDictionaryAutoencoder", "IdentityDictionary", "RandomDictionary"]
)
def test_every_fitted_attribute_is_documented(name):
    import numpy as np

    import skdict

    estimator = getattr(skdict, name)()
    estimator.fit(np.random.default_rng(0).standard_normal((50, 3)))
    fitted = {a for a in vars(estimator) if a.endswith("_") and not a.startswith("_")}
    for attribute in fitted:
        entry = rf"^    (\w+, )*{attribute}(, \w+)* :"
        assert re.search(entry, type(estimator).__doc__, re.MULTILINE), attribute
