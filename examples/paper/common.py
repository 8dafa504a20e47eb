"""What the scripts of this folder share: options, stories, baselines, tables and figures.

Each script writes ``NAME.csv``, one line for each run; ``NAME_summary.csv``, what is read off it;
and ``NAME.png``, into the folder ``--out``. With the environment variable SKDICT_EXAMPLES_FAST
set, the defaults are small: everything runs, nothing is proved.
"""

import argparse
import csv
import os
from pathlib import Path

import numpy as np
import scipy.stats
import torch
from sklearn.decomposition import PCA, FastICA

from skdict import IdentityDictionary, RandomDictionary, load_stories
from skdict.models import load_model

SEPARATOR = "<|endoftext|>"
LABELS = {
    "sparse": "sparse dictionary",
    "ica": "ICA",
    "pca": "PCA",
    "random": "random directions",
    "neurons": "neuron basis",
}
STYLES = {"sparse": "C0-o", "ica": "C2-^", "pca": "C1-s", "random": "C7-x", "neurons": "k-d"}


def size(full, reduced):
    """Return the default of an option: the full size, or the reduced one if it is asked for."""
    return reduced if os.environ.get("SKDICT_EXAMPLES_FAST") else full


def paper_parser(description):
    """Return a parser with the options that all scripts have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="name or folder; the bundled one without")
    parser.add_argument("--text", type=Path, help=f"file of texts, separated by {SEPARATOR}")
    parser.add_argument("--seeds", type=int, nargs="+", default=size([0, 1, 2], [0]))
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    return parser


def read_model(args):
    """Return model and tokenizer, on the CPU."""
    return load_model(args.model or load_stories().model, device=torch.device("cpu"))


def read_texts(args, n_train, n_test):
    """Return texts to fit on and others to measure on."""
    if args.text is None:
        texts = load_stories().texts
    else:
        texts = [part.strip() for part in args.text.read_text(encoding="utf-8").split(SEPARATOR)]
        texts = [text for text in texts if text]
    if len(texts) < n_train + n_test:
        raise SystemExit(f"{len(texts)} texts; {n_train} to fit on and {n_test} others are needed")
    # The bundled ones come kind by kind.
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]
    return texts[:n_train], texts[-n_test:]


def fitted_baselines(rows, n_components, seed, *, ica_rows=20_000):
    """Return the four baselines of the paper, fitted; ICA on a sample of the rows."""
    rows = np.asarray(rows)
    sample = np.random.default_rng(seed).permutation(len(rows))[:ica_rows]
    pca = PCA(svd_solver="full").fit(rows)
    # A direction in which rows do not vary, such as a neuron that never fires, spoils whitening.
    rank = int((pca.explained_variance_ratio_ > 1e-6).sum())
    ica = FastICA(rank, whiten="unit-variance", max_iter=100, tol=1e-2, random_state=seed)
    return {
        "ica": ica.fit(rows[sample]),
        "pca": pca,
        "random": RandomDictionary(n_components, random_state=seed).fit(rows),
        "neurons": IdentityDictionary().fit(rows),
    }


def interval(values):
    """Return the mean over seeds and the half-width of its 95 % interval, nan for one seed."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return values.mean(), np.nan
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return values.mean(), half


def summarize(records, keys, measures):
    """Return a record for each value of the keys: of each measure its mean and half-width."""
    groups = {}
    for record in records:
        groups.setdefault(tuple(record[key] for key in keys), []).append(record)
    rows = []
    for values, group in groups.items():
        row = dict(zip(keys, values, strict=True))
        for measure in measures:
            row[measure], row[f"{measure} +-"] = interval([float(r[measure]) for r in group])
        rows.append(row)
    return rows


def with_interval(mean, half, digits=2):
    """Return "mean ± half-width" as text."""
    if np.isnan(half):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def read_table(path):
    """Return what a run before this one left, a list of dicts of text."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(records, path):
    """Write a list of dicts, beside and renamed, so that a run cut short leaves what it had."""
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    part.replace(path)


def save_figure(figure, path):
    """Write a figure of moderate size, and close it."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
