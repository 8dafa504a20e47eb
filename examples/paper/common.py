"""Shared helpers of the scripts in this folder: options, stories, baselines, tables and figures.

Each script writes to the folder ``--out``: ``NAME.csv``, with one line per run;
``NAME_summary.csv``, the table shown in the documentation; and ``NAME.png``. If the environment
variable SKDICT_EXAMPLES_FAST is set, the defaults are small: everything runs, but the results mean
nothing.
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
    """Return the default of an option: the reduced size if SKDICT_EXAMPLES_FAST is set."""
    return reduced if os.environ.get("SKDICT_EXAMPLES_FAST") else full


def paper_parser(description):
    """Return a parser with the options common to all scripts."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="name or folder (default: the bundled model)")
    parser.add_argument("--text", type=Path, help=f"file of texts separated by {SEPARATOR}")
    seeds = size([0, 1, 2], [0])
    parser.add_argument("--seeds", type=int, nargs="+", default=seeds, help="random seeds")
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    return parser


def read_model(args):
    """Return the model and its tokenizer, on the CPU."""
    return load_model(args.model or load_stories().model, device=torch.device("cpu"))


def read_texts(args, n_train, n_test):
    """Return texts to fit on and different texts to measure on."""
    if args.text is None:
        texts = load_stories().texts
    else:
        texts = [part.strip() for part in args.text.read_text(encoding="utf-8").split(SEPARATOR)]
        texts = [text for text in texts if text]
    if len(texts) < n_train + n_test:
        raise SystemExit(
            f"{len(texts)} texts given; {n_train} to fit on and {n_test} to measure on are needed"
        )
    # Shuffle, because the bundled texts are sorted by kind.
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]
    return texts[:n_train], texts[-n_test:]


def fitted_baselines(rows, n_components, seed, *, ica_rows=20_000):
    """Return the four fitted baselines of the paper, with ICA fitted on a sample of the rows."""
    rows = np.asarray(rows)
    sample = np.random.default_rng(seed).permutation(len(rows))[:ica_rows]
    pca = PCA(svd_solver="full").fit(rows)
    # Whitening fails along directions without variance, such as a neuron that never fires.
    rank = int((pca.explained_variance_ratio_ > 1e-6).sum())
    ica = FastICA(rank, whiten="unit-variance", max_iter=100, tol=1e-2, random_state=seed)
    return {
        "ica": ica.fit(rows[sample]),
        "pca": pca,
        "random": RandomDictionary(n_components, random_state=seed).fit(rows),
        "neurons": IdentityDictionary().fit(rows),
    }


def interval(values):
    """Return the mean over seeds and the half-width of its 95 % interval (nan for one seed)."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return values.mean(), np.nan
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return values.mean(), half


def summarize(records, keys, measures):
    """Return a record per value of the keys, with the mean and half-width of each measure."""
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


def drop_constant(rows, column):
    """Return a table without a column whose cells are all equal."""
    if len({row[column] for row in rows}) > 1:
        return rows
    return [{key: cell for key, cell in row.items() if key != column} for row in rows]


def read_table(path):
    """Return the table of an earlier run as a list of dicts of str, empty if there is none."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(records, path):
    """Write a list of dicts under a temporary name and rename it, so no table is half-written."""
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    part.replace(path)


def save_figure(figure, path):
    """Save a figure at moderate resolution and close it."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
