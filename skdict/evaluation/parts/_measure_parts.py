"""Measure all parts of an evaluation, keeping the result of each part and dictionary."""

import time
import warnings
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from skdict.decomposition import dictionary_atoms
from skdict.evaluation.parts._kept_results import KeptResults, hash_dictionary
from skdict.evaluation.parts._parts import Part
from skdict.evaluation.parts._stability import stability
from skdict.metrics import ComparisonTable, mean_interval

ENDS = ("_low", "_high")
READING = Part("activations", {}, None)


class MeasuredParts(NamedTuple):
    """Measures of all parts, see `Evaluation`."""

    table: ComparisonTable
    parts: dict
    counts: dict
    seconds: dict
    left_out: dict


def measure_parts(parts, fits, sources, folder, *, skip, verbose):
    """Measure all parts, or read their results where they exist.

    Parameters
    ----------
    parts : list of Part
        Parts.
    fits : dict of str to list of estimator
        Fitted dictionaries by name.
    sources : Sources
        Model, texts and activations.
    folder : Path
        Folder of the results.
    skip : set of str
        Names of parts to leave out.
    verbose : bool
        If True, show a progress bar.

    Returns
    -------
    MeasuredParts

    Raises
    ------
    ValueError
        If a dictionary has another width than the activations, or no part can be measured.
    """
    _check_widths(fits, sources)
    flat = [fit for of_name in fits.values() for fit in of_name]
    kept = KeptResults(folder / "parts", sources.digest)
    hashes = [hash_dictionary(fit, sources.acts) for fit in flat]
    found = {READING.name: [_reading(sources, kept)]}
    left_out = dict.fromkeys(sorted(skip), "Skipped.")
    wanted = [part for part in parts if part.name not in skip]
    with tqdm(total=len(wanted) * len(flat), unit="part", disable=not verbose) as bar:
        for part in wanted:
            bar.set_description(part.name)
            try:
                found[part.name] = _measure_part(part, flat, hashes, sources, kept)
            except ValueError as error:
                left_out[part.name] = str(error)
                message = f"{part.name} could not be measured: {error}"
                warnings.warn(message, UserWarning, stacklevel=3)
            bar.update(len(flat))
    if len(found) == 1 and wanted:
        raise ValueError(f"no part could be measured; the first says: {left_out[wanted[0].name]}")
    return _collect(found, fits, left_out, with_stability="stability" not in skip)


def _measure_part(part, dictionaries, hashes, sources, kept):
    """Return the results of a part for all dictionaries, measuring those that are missing."""
    results = [kept.find(part, of_dictionary) for of_dictionary in hashes]
    missing = [i for i, result in enumerate(results) if result is None]
    if not missing:
        return results
    start = time.perf_counter()
    measured = part.measure(sources, [dictionaries[i] for i in missing])
    for i, (measures, counts) in zip(missing, measured, strict=True):
        seconds = time.perf_counter() - start
        results[i] = {"measures": measures, "counts": counts, "seconds": seconds}
        kept.keep(part, hashes[i], results[i])
        start = time.perf_counter()
    return results


def _reading(sources, kept):
    """Return the result of reading the texts, with the time it took when they were read."""
    result = kept.find(READING, "")
    if result is None:
        counts = {"n_documents": len(np.unique(sources.acts.documents))}
        result = {"measures": {}, "counts": counts, "seconds": sources.seconds}
        kept.keep(READING, "", result)
    return result


def _check_widths(fits, sources):
    width = sources.acts.shape[1]
    for name, of_name in fits.items():
        for fit in of_name:
            own = dictionary_atoms(fit).shape[1]
            if own != width:
                raise ValueError(
                    f"{name!r} was fitted on rows of width {own} but {sources.hook_point!r} has "
                    f"width {width}; pass dictionaries of this hook point"
                )


def _collect(found, fits, left_out, *, with_stability):
    """Return the measures of all parts by dictionary."""
    flat = [{} for of_name in fits.values() for _ in of_name]
    names, counts, seconds = {}, {}, {}
    for part, results in found.items():
        seconds[part] = sum(result["seconds"] for result in results)
        counts |= results[0]["counts"]
        if part != READING.name:
            names[part] = [n for n in results[0]["measures"] if not n.endswith(ENDS)]
            for run, result in zip(flat, results, strict=True):
                run |= result["measures"]
    flat = iter(flat)
    runs = {name: [next(flat) for _ in of_name] for name, of_name in fits.items()}
    records = [{"dictionary": name} | _summary(of_name) for name, of_name in runs.items()]
    if with_stability and max(map(len, fits.values())) > 1:
        start, random_state = time.perf_counter(), np.random.RandomState(0)
        for record, of_name in zip(records, fits.values(), strict=True):
            record |= stability(of_name, random_state)
        names["stability"] = ["stability", "stability_random"]
        seconds["stability"] = time.perf_counter() - start
    table = ComparisonTable(records, list(runs.values()))
    return MeasuredParts(table, names, counts, seconds, left_out)


def _summary(runs):
    """Return the means of measures over fits, with Student's interval where there is no other."""
    record = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        if len(set(values)) == 1:
            record[name] = values[0]
            continue
        record[name] = float(np.mean(values))
        if not name.endswith(ENDS) and name + ENDS[0] not in runs[0]:
            record |= dict(zip([name + end for end in ENDS], mean_interval(values), strict=True))
    return record
