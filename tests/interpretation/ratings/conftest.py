"""Windows of features whose words are known."""

import numpy as np
import pytest

from skdict.inspection import collect_records
from tests.interpretation.planted import as_activations, text
from tests.interpretation.ratings.sheets import N_FEATURES


@pytest.fixture(scope="session")
def records():
    """Features of two methods, one for each of 12 words of the text."""
    table = text(80, 24, 20)
    words = [f" {chr(97 + i)}word" for i in range(20)]
    codes = (table[2][:, None] == np.arange(N_FEATURES)).astype(float)
    acts, _ = as_activations(codes, *table, vocabulary=words)
    found = collect_records(codes, acts, window=8, n_random=12)
    return {"sparse": found[:6], "principal": found[6:]}, words
