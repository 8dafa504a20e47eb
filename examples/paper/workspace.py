"""What the scripts of one output folder share: the model, its activations, and dictionaries.

Everything is made once and kept in the output folder: ``texts.jsonl`` with the documents,
``activations`` with a store for each hook point, and ``dictionaries`` with every fitted dictionary.
"""

import subprocess
import sys
from functools import cached_property
from typing import NamedTuple

import joblib
import numpy as np
import torch
from documents import load_documents, read_documents, write_documents

from skdict import ActivationExtractor, Activations, load_stories
from skdict.datasets import fetch_smollm2
from skdict.decomposition import TopKDictionary
from skdict.interpretation import reinitialize_model
from skdict.models import load_model

TRAINED, REINITIALISED = "trained", "re-initialised"


class Rows(NamedTuple):
    """Activations at a hook point.

    Parameters
    ----------
    train : Activations of shape (n_train, n_features)
        Activations to fit on.
    test : Activations of shape (n_test, n_features)
        Activations of other documents, to measure on.
    key : tuple
        What tells these rows from others of the same workspace.
    """

    train: Activations
    test: Activations
    key: tuple

    def first(self, n_rows):
        """Return the same with the first rows to fit on only."""
        if n_rows >= len(self.train):
            return self
        return self._replace(train=self.train[:n_rows], key=(*self.key, n_rows))


class Workspace:
    """The model, activations and dictionaries of one output folder.

    Parameters
    ----------
    args : Namespace
        Options of `paper_parser`.
    """

    def __init__(self, args):
        self.args, self.out = args, args.out
        self.out.mkdir(parents=True, exist_ok=True)

    @cached_property
    def model_folder(self):
        """Name or folder of the model."""
        if self.args.model is None:
            return load_stories().model
        return fetch_smollm2().model if self.args.model == "smollm2" else self.args.model

    @cached_property
    def pair(self):
        """The model and its tokenizer, on the CPU."""
        return load_model(self.model_folder, device=torch.device("cpu"))

    @cached_property
    def documents(self):
        """The documents to measure on and those to fit on."""
        path = self.out / "texts.jsonl"
        if not path.is_file():
            write_documents(path, *read_documents(self.args, self.pair[1]))
        return load_documents(path)

    @property
    def test_texts(self):
        """The texts to measure on."""
        return [document.text for document in self.documents[0]]

    def extract(self, hook_points):
        """Store the activations of all documents at hook points, unless they are stored."""
        folder = self.out / "activations"
        missing = [hook_point for hook_point in hook_points if not is_store(folder / hook_point)]
        if not (missing and self.documents):
            return
        command = [sys.executable, "-m", "skdict", "extract", "--model", self.model_folder]
        command += ["--texts", self.out / "texts.jsonl", "--out", folder]
        command += ["--max-length", self.args.max_length, "--dtype", self.args.dtype]
        for hook_point in missing:
            command += ["--hook-point", hook_point]
        subprocess.run(list(map(str, command)), check=True)

    def rows(self, hook_point, weights=TRAINED, seed=0):
        """Return the rows at a hook point, of the trained or a re-initialised model.

        Rows of a re-initialised model depend on the seed of its weights.
        """
        if weights == TRAINED:
            self.extract([hook_point])
            activations = Activations.load(self.out / "activations" / hook_point)
            return self._divided(activations, (hook_point,))
        folder = self.out / "activations" / f"re-initialised-{seed}" / hook_point
        if not folder.is_dir():
            model = reinitialize_model(self.pair, random_state=seed)
            extractor = ActivationExtractor(model, hook_point, max_length=self.args.max_length)
            texts = [document.text for part in self.documents for document in part]
            extractor.fit_transform(texts).save(folder)
        return self._divided(Activations.load(folder), (hook_point, seed))

    def _divided(self, activations, key):
        n_test = np.searchsorted(activations.documents, len(self.documents[0]))
        return Rows(activations[n_test:], activations[:n_test], key)

    def fit(self, estimator, rows):
        """Fit an estimator on the rows to fit on, or load an equal one that was fitted before."""
        name = joblib.hash((type(estimator).__name__, estimator.get_params(), rows.key))
        path = self.out / "dictionaries" / f"{name}.joblib"
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            part = path.with_suffix(f".{np.random.default_rng().integers(2**32)}")
            joblib.dump(estimator.fit(np.asarray(rows.train, dtype=np.float32)), part)
            part.replace(path)
        return joblib.load(path)


def is_store(folder):
    """Return True if a folder is a finished store of activations."""
    try:
        Activations.load(folder)
    except (FileNotFoundError, ValueError):
        return False
    return True


def cut(dictionary, n_active, rows, *, gain=False):
    """Return a fitted dictionary that keeps only the strongest codes of each row."""
    sample = np.asarray(rows.train[:5000], dtype=np.float32)
    return TopKDictionary(dictionary, n_active, gain=gain, prefit=True).fit(sample)
