"""Shared helpers of the scripts in this folder: options, tables and figures.

Each script writes to the folder ``--out``: ``NAME.csv``, with one line per run;
``NAME_summary.csv``, the table shown in the documentation; and ``NAME.png``. Records already in
``NAME.csv`` are not measured again.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import scipy.stats
from settings import setting_of

PLACES = {"resid_post": "residual", "mlp_out": "MLP"}


def paper_parser(description):
    """Return a parser with the options common to all scripts, and the sizes for the model.

    The defaults are the sizes for the model given on the command line.
    """
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--model")
    setting = setting_of(first.parse_known_args()[0].model or "bundled")
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, help="output folder, shared by all scripts")
    add("--model", help="smollm2, or a name or folder (default: the bundled model)")
    add("--text", type=Path, nargs="+", help="files of documents (default: the bundled stories)")
    add("--train-tokens", type=int, default=setting.train_tokens, help="tokens to fit on")
    add("--test-tokens", type=int, default=setting.test_tokens, help="tokens to measure on")
    add("--max-length", type=int, default=setting.max_length, help="tokens per document")
    add("--dtype", default=setting.dtype, help="type of the stored activations")
    add("--ratio", type=float, default=4, help="features of a dictionary divided by the width")
    add("--alpha", type=float, default=setting.alpha, help="strength of the penalty")
    add("--target-l0", type=float, default=setting.target_l0, help="L0 of untied dictionaries")
    add("--max-iter", type=int, default=setting.max_iter, help="epochs")
    add("--seeds", type=int, nargs="+", default=setting.seeds, help="random seeds")
    return parser, setting


def complete(path, jobs, measure):
    """Measure the jobs that a table lacks, and return all of their records.

    Parameters
    ----------
    path : Path
        Table of earlier records. It is written again after each job.
    jobs : list of dict
        What tells one job from another, such as its hook point and seed.
    measure : callable
        Called with the values of a job as keyword arguments; returns the records of the job.

    Returns
    -------
    list of dict
        The records of all jobs, in their order, with the values of the job first. Records of jobs
        that are not asked for stay in the table.
    """
    records = [{k: _number(v) for k, v in record.items()} for record in read_table(path)]
    for job in jobs:
        if not any(_belongs(record, job) for record in records):
            records += [job | record for record in measure(**job)]
            write_table(records, path)
            print("measured", *job.values(), flush=True)
    return [record for job in jobs for record in records if _belongs(record, job)]


def _belongs(record, job):
    return all(record[key] == value for key, value in job.items())


def _number(text):
    """Return a cell as an int or a float where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def place_label(hook_point):
    """Return a short name such as "residual 2"."""
    kind, layer = hook_point.split(".", 1)
    return f"{PLACES.get(kind, kind)} {layer}"


def interval(values):
    """Return the mean over seeds and its uncertainty.

    That is the half-width of the 95 % interval for three seeds or more, half the difference for
    two, and nan for one.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 3:
        return values.mean(), np.ptp(values) / 2 if len(values) == 2 else np.nan
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
