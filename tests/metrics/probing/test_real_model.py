"""On a real model, single features of a sparse dictionary read number and gender."""

import re

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skdict import (
    ActivationExtractor,
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
)
from skdict.datasets import fetch_smollm2, label_tokens
from skdict.metrics import SparseProbing

N_TEXTS, N_COMPONENTS = 300, 1152


@pytest.fixture(scope="module")
def smollm2():
    try:
        return fetch_smollm2(download_if_missing=False).model
    except (OSError, ImportError) as error:
        pytest.skip(f"SmolLM2 is not installed: {error}")


def number_and_gender(acts):
    labels = label_tokens(acts).labels
    return {name: labels[name] for name in ("number", "gender")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skdict.exceptions.OutlierWarning")
def test_single_features_read_number_and_gender(smollm2, shared_data):
    content = (shared_data / "text" / "wikitext2-valid.txt").read_text("utf-8")
    texts = [p.strip() for p in re.split(r"\n\s*\n", content) if len(p.strip()) > 200][:N_TEXTS]
    acts = ActivationExtractor(smollm2, "resid_post.9", max_length=128).fit_transform(texts)
    rows = np.asarray(acts)
    methods = {
        "sparse": SparseDictionaryAutoencoder(N_COMPONENTS, random_state=0).fit(acts),
        "pca": PCA(random_state=0).fit(rows),
        "random": RandomDictionary(N_COMPONENTS, random_state=0).fit(rows),
        "neurons": IdentityDictionary().fit(rows),
    }
    table = compare_dictionaries(methods, None, acts, scorers=[SparseProbing(number_and_gender)])
    print(table)
    assert table["sparse"]["n_probed"] == 2
    assert table["sparse"]["probing_dense"] > 0.95
    for name in ("pca", "random", "neurons"):
        assert table["sparse"]["probing_1"] > table[name]["probing_1"] + 0.03
        assert table["sparse"]["probing_dense"] == table[name]["probing_dense"]
