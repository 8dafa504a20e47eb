"""Explanations, scores, verdicts and pages equal those stored, whatever computes them."""

import json
import math

import pytest

from tests.reference.results import FILE, reference_results


@pytest.fixture(scope="module")
def found():
    return reference_results()


@pytest.mark.parametrize("part", ["interpretations", "verdicts", "tables", "pages"])
def test_results_equal_the_reference(found, part):
    stored = json.loads(FILE.read_text())
    assert list(differences(stored[part], found[part], part)) == []


def differences(stored, found, where):
    """Yield the places at which two results differ by more than 1e-12."""
    if isinstance(stored, dict) and isinstance(found, dict) and stored.keys() == found.keys():
        for name in stored:
            yield from differences(stored[name], found[name], f"{where}/{name}")
    elif isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        for i, pair in enumerate(zip(stored, found, strict=True)):
            yield from differences(*pair, f"{where}/{i}")
    elif isinstance(stored, float) and isinstance(found, float):
        both_nan = math.isnan(stored) and math.isnan(found)
        if not both_nan and not math.isclose(stored, found, rel_tol=1e-12, abs_tol=1e-12):
            yield f"{where}: {stored!r} before, {found!r} now"
    elif stored != found:
        yield f"{where}: {stored!r} before, {found!r} now"
