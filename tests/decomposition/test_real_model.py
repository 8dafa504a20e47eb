"""Dictionaries of a real model's layers, where outlier tokens would rule training."""

import re

import numpy as np
import pytest

from skdict import ActivationExtractor, SparseDictionaryAutoencoder
from skdict.datasets import fetch_smollm2
from skdict.exceptions import OutlierWarning

N_TEXTS, N_COMPONENTS = 300, 1152


@pytest.fixture(scope="module")
def smollm2():
    try:
        return fetch_smollm2(download_if_missing=False).model
    except (OSError, ImportError) as error:
        pytest.skip(f"SmolLM2 is not installed: {error}")


@pytest.mark.slow
def test_outlier_tokens_are_named_and_kill_no_features(smollm2, shared_data):
    content = (shared_data / "text" / "wikitext2-valid.txt").read_text("utf-8")
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", content) if len(p.strip()) > 200]
    extractor = ActivationExtractor(smollm2, "resid_post.15", max_length=128)
    with pytest.warns(OutlierWarning, match="tokens of 'resid_post.15' have more than 8 times"):
        acts = extractor.fit_transform(paragraphs[:N_TEXTS])
    with pytest.warns(OutlierWarning, match="rows have more than 8 times the median norm"):
        sae = SparseDictionaryAutoencoder(N_COMPONENTS, random_state=0).fit(acts)
    assert (sae.firing_counts_ == 0).mean() < 0.02
    norms = np.linalg.norm(np.asarray(acts, np.float64) - sae.mean_, axis=1)
    assert 0 < sae.n_outlier_rows_ == pytest.approx((norms > sae.outlier_cutoff_).sum(), abs=2)
    # The scale is that of the other rows.
    inliers = norms[norms <= sae.outlier_cutoff_]
    assert sae.scale_ == pytest.approx(np.sqrt(np.square(inliers).mean()), rel=0.01)
