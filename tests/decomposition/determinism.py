"""Print a hash of a fit; run in processes of its own by test_determinism.py."""

import hashlib
import os
import sys
import tempfile

import numpy as np

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.io import fit_resumable, load_dictionary

OPTIONS = {
    "defaults": {"n_components": 512, "max_iter": 2},
    "zeros": {"n_components": 2048, "max_iter": 2, "bias_init": "zeros"},
    "batch_topk": {"n_components": 512, "max_iter": 2, "activation": "batch_topk"},
    "resumed": {"n_components": 512, "max_iter": 2, "activation": "batch_topk"},
}


class Killed(Exception):
    """Stands for the end of a process."""


def kill_after_first_epoch(folder, sae, X):
    """Leave a checkpoint of one epoch behind."""
    from skdict._files import replace_file
    from skdict.io import _resumable_fit

    def replace_and_die(path, content):
        replace_file(path, content)
        raise Killed

    _resumable_fit.replace_file = replace_and_die
    try:
        fit_resumable(sae, X, folder)
    except Killed:
        _resumable_fit.replace_file = replace_file


def main(kind, n_rows):
    """Fit and print the hash of what came out."""
    X = make_sparse_features(n_rows, random_state=0).X
    sae = SparseDictionaryAutoencoder(**OPTIONS[kind], random_state=0)
    if kind == "resumed":
        with tempfile.TemporaryDirectory() as folder:
            kill_after_first_epoch(os.path.join(folder, "sae"), sae, X)
            fit_resumable(sae, X, os.path.join(folder, "sae"))
            sae = load_dictionary(os.path.join(folder, "sae"))
    else:
        sae.fit(X)
    digest = hashlib.sha256()
    names = "components_", "encoder_", "encoder_bias_", "firing_counts_", "thresholds_"
    for name in names:
        digest.update(np.ascontiguousarray(getattr(sae, name, 0)))
    print(digest.hexdigest(), sae.history_[-1]["fvu"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
