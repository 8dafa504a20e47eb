"""Activations of a few planted features, with tokens that do their worst to a page."""

import json
import re

import numpy as np

from skdict import Activations, IdentityDictionary

NASTY = (
    "<script>window.planted = 1</script>",
    "</script><img src=x onerror='window.planted = 2'>",
    "\"quoted' & \\n",
    "\x00",
    "‮abc",
    "\udce2\udc82",
    "\n",
    "&lt;b&gt;",
    "https://example.com/a.png",
    "{{script}}",
)
VOCABULARY = (*NASTY, *(f" {a}{b}" for a in "wxyz" for b in "abcdefghij"))


def planted(n_features=6, n_documents=30, length=40, seed=0):
    """Return rows whose column j is positive on the token j, and on others by chance."""
    rng = np.random.default_rng(seed)
    n = n_documents * length
    tokens = rng.integers(len(VOCABULARY), size=n)
    rows = np.where(rng.random((n, n_features)) < 0.03, rng.random((n, n_features)), 0)
    rows[np.arange(n_features) == tokens[:, None]] = 2 + rng.random(
        (np.arange(n_features) == tokens[:, None]).sum()
    )
    acts = Activations(
        rows.astype("float32"),
        documents=np.repeat(np.arange(n_documents), length),
        positions=np.tile(np.arange(length), n_documents),
        token_ids=tokens,
        vocabulary=VOCABULARY,
        metadata={"model": "a/model", "hook_point": "resid_post.1"},
    )
    return IdentityDictionary().fit(rows), acts


def page_data(path):
    """Return the data of a page, as its script reads them."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert len(found) == 1
    return json.loads(found[0])
