"""Public docstrings are complete numpydoc, in the field's terms."""

import importlib
import inspect
import re

import pytest
from numpydoc.validate import validate

MODULES = (
    "skdict",
    "skdict.activations",
    "skdict.datasets",
    "skdict.decomposition",
    "skdict.exceptions",
    "skdict.feature_extraction",
    "skdict.inspection",
    "skdict.interpretation",
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


def public_names():
    names = set()
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
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
