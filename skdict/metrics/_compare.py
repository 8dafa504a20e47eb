"""Compare dictionaries in one table."""

import html
import math

import numpy as np
from scipy.special import stdtrit
from sklearn.base import clone

from skdict._validation import check_number, is_fitted
from skdict.decomposition import (
    TopKDictionary,
    check_targets_given,
    fit_or_use,
    measure_at_cuts,
)


class ComparisonTable:
    """Table of measures with one record per dictionary, readable by `print`.

    Parameters
    ----------
    records : list of dict
        One record per dictionary, or per dictionary and `n_active`, all with the same keys.
    runs : list of list of dict or None, default=None
        For each record, the measures of the individual fits that it averages.

    Attributes
    ----------
    records : list of dict
        Measures, one record per dictionary.
    runs : list of list of dict or None
        Measures of the individual fits.
    """

    def __init__(self, records, runs=None):
        self.records = records
        self.runs = runs

    def __getitem__(self, name):
        """Return the record of a dictionary.

        In a table with several `n_active`, ``table[name, n_active]`` is a record and
        ``table[name]`` is the table of one dictionary.
        """
        # With one key, a name may itself be a tuple.
        wanted = name if len(self._keys) > 1 and isinstance(name, tuple) else (name,)
        found = [i for i, r in enumerate(self.records) if wanted == self._key(r)[: len(wanted)]]
        if not found:
            keys = [key if len(key) > 1 else key[0] for key in map(self._key, self.records)]
            names = ", ".join(map(repr, keys))
            raise KeyError(f"{name!r} is not in the table; use one of {names}")
        if len(wanted) == len(self._keys):
            return self.records[found[0]]
        runs = None if self.runs is None else [self.runs[i] for i in found]
        return ComparisonTable([self.records[i] for i in found], runs)

    def difference(self, measure, first, second):
        """Return the mean difference of a measure between two dictionaries, with its interval.

        Fits are paired by seed, so variation that a seed causes in both does not widen the
        interval.

        Parameters
        ----------
        measure : str
            Column of the table.
        first, second : str or (str, int)
            Names of records, as for ``table[name]``.

        Returns
        -------
        (float, float, float)
            Mean of `first` minus `second`, and the bounds of its 95 % Student interval over seeds;
            the bounds are nan if both were fitted once.

        Raises
        ------
        KeyError
            If a record or the measure does not exist.
        ValueError
            If the two were fitted a different number of times, each more than once.
        """
        sides = []
        for name in (first, second):
            at = next(i for i, record in enumerate(self.records) if record is self[name])
            runs = [self.records[at]] if self.runs is None else self.runs[at]
            if measure not in runs[0]:
                raise KeyError(f"{measure!r} is not a measure; use one of {', '.join(runs[0])}")
            sides.append([run[measure] for run in runs])
        n_runs = max(map(len, sides))
        # A dictionary fitted once is the same for every seed.
        sides = [side * n_runs if len(side) == 1 else side for side in sides]
        if len(sides[0]) != len(sides[1]):
            raise ValueError(
                f"{first!r} was fitted {len(sides[0])} times but {second!r} {len(sides[1])} times; "
                f"compare them with the same n_seeds"
            )
        values = [a - b for a, b in zip(*sides, strict=True)]
        return sum(values) / n_runs, *mean_interval(values)

    @property
    def _keys(self):
        return ["dictionary", "n_active"] if "n_active" in self.records[0] else ["dictionary"]

    def _key(self, record):
        return tuple(record[key] for key in self._keys)

    def __len__(self):
        return len(self.records)

    def to_frame(self):
        """Return the table as a pandas DataFrame. Requires pandas.

        Returns
        -------
        pandas.DataFrame
            Indexed by dictionary and, if there are several, by `n_active`.
        """
        import pandas as pd

        return pd.DataFrame.from_records(self.records, index=self._keys)

    def __str__(self):
        rows = self._cells()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        head, *body = self._cells()
        lines = ["<tr>" + "".join(f"<th>{html.escape(c)}</th>" for c in head) + "</tr>"]
        lines += ["<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in r) + "</tr>" for r in body]
        return "<table>" + "".join(lines) + "</table>"

    def _cells(self):
        head = list(self.records[0])
        if all(record.get("fvu_inliers") == record.get("fvu") for record in self.records):
            head = [name for name in head if name != "fvu_inliers"]
        shown = [
            [f"{v:.4g}" if isinstance(v, float) else str(v) for v in map(record.get, head)]
            for record in self.records
        ]
        return [head, *shown]


def compare_dictionaries(
    dictionaries, train, test, *, y_train=None, y_test=None, n_active=None, n_seeds=1, scorers=()
):
    r"""Compare dictionaries on the same rows.

    Transcoders are compared by the FVU of their targets, which are passed as `y_test`.

    Parameters
    ----------
    dictionaries : dict of str to estimator
        Dictionaries by name: any estimator with `components_`, `transform` and
        `inverse_transform` once fitted. Fitted dictionaries are used as they are; unfitted ones
        are cloned and fitted on `train`.
    train : array-like of shape (n_samples, n_features) or None
        Rows to fit on; None if all dictionaries are fitted.
    test : array-like of shape (n_samples, n_features)
        Rows to evaluate on.
    y_train, y_test : array-like of shape (n_samples, n_targets) or None, default=None
        Targets of transcoders for `train`, if one is unfitted, and for `test`. With them, all
        dictionaries must be transcoders; `NeuronTranscoder` is the baseline.
    n_active : int, list of int or None, default=None
        Number of strongest codes to keep on each row, ranked by absolute code times the length of
        the decoder direction, so that dictionaries are compared at equal sparsity. None keeps all
        codes. A list gives one record per dictionary and number, from one fit and one pass over
        the rows.
    n_seeds : int, default=1
        Number of fits of each unfitted dictionary that has a `random_state`, with seeds 0, 1,
        ...; measures are then averaged over seeds.
    scorers : list or dict of scorers, default=()
        Further measures on `test`, such as `skdict.interpretation.InterpretabilityScorer`. A
        scorer is called with a fitted dictionary and the rows and returns a number. If it has a
        method `measure`, that method is called instead and returns a dict of numbers. With
        `n_active`, scorers get the dictionary limited to its strongest codes. The key of a scorer
        in a dict names its number, or precedes the names that `measure` returns.

    Returns
    -------
    ComparisonTable
        For each dictionary: `n_components`; `fvu`, the fraction of variance unexplained (of
        `y_test`, for transcoders); `fvu_inliers`, the same without rows whose norm after centring,
        or that of their target, exceeds eight times the median (not printed if there are none);
        `l0`, the mean number of non-zero codes per row; `n_dead`, the number of features that fire
        on no row; `density`, the median over features of the share of rows on which they fire.
        With a list, also `n_active`. With several seeds, also `fvu_low` and `fvu_high`, the 95 %
        interval of the mean FVU over seeds (see Notes); nan for dictionaries that are not random
        or already fitted.

    Raises
    ------
    TypeError
        If an estimator is not a dictionary, a scorer is not callable, or the rows are sparse.
    ValueError
        If there is no dictionary, one is unfitted and `train` is None, one is a transcoder and its
        targets are missing, or they are given and one is not a transcoder, transcoders come with
        both `n_active` and `scorers`, `n_active` or `n_seeds` is below 1, a list of `n_active` is
        empty or has duplicates, two scorers return measures of the same name, or the test rows or
        targets do not vary, are not finite or are not two-dimensional.

    Notes
    -----
    The interval is Student's: with the mean :math:`m` and standard deviation :math:`s`
    (divisor :math:`n - 1`) of the FVU over :math:`n` seeds,

    .. math:: m \pm t_{n-1,\,0.975} \; s / \sqrt{n},

    with :math:`t` the quantile of Student's distribution. It describes how much the mean would vary
    with other seeds, not with other rows. With three seeds :math:`t` is 4.30, so the interval is
    wide.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.metrics import compare_dictionaries
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> methods = {"pca": PCA(2), "neurons": IdentityDictionary()}
    >>> print(compare_dictionaries(methods, X, X, n_active=4))
    dictionary  n_components     fvu  l0  n_dead  density
    pca                    2  0.4006   2       0        1
    neurons                4       0   4       0        1
    >>> table = compare_dictionaries(methods, X, X, n_active=[1, 2])
    >>> table["neurons", 2]["l0"]
    2.0

    A transcoder and the neurons of the MLP that it was fitted on, with 8 codes per row each:

    >>> from skdict import SparseTranscoder, load_stories
    >>> from skdict.decomposition import NeuronTranscoder
    >>> from skdict.feature_extraction import extract_activations
    >>> stories = load_stories()
    >>> rows = extract_activations(stories.model, ["mlp_in.2", "mlp_out.2"], stories.texts[:20])
    >>> X, y = rows["mlp_in.2"], rows["mlp_out.2"]
    >>> methods = {
    ...     "transcoder": SparseTranscoder(256, activation="topk", target_l0=8, random_state=0),
    ...     "neurons": NeuronTranscoder(stories.model, 2),
    ... }
    >>> table = compare_dictionaries(methods, X, X, y_train=y, y_test=y, n_active=8)
    >>> table["transcoder"]["fvu"] < table["neurons"]["fvu"]
    True
    """
    if not isinstance(dictionaries, dict) or not dictionaries:
        raise ValueError(
            f"dictionaries is {dictionaries!r}; pass a dict of names to dictionaries, with at "
            f"least one"
        )
    several = isinstance(n_active, (list, tuple, range, np.ndarray))
    cuts = _check_cuts(list(n_active) if several else [n_active])
    check_number("n_seeds", n_seeds, low=1, integer=True)
    scorers = check_scorers(scorers)
    if y_test is not None and scorers and cuts != [None]:
        raise ValueError(
            "scorers see all codes of a transcoder, which n_active would not match; pass only one "
            "of scorers and n_active"
        )
    records, all_runs = [], []
    for name, dictionary in dictionaries.items():
        check_targets_given(dictionary, y_test, "y_test")
        fits = _fitted(name, dictionary, train, y_train, n_seeds)
        runs = [_measure(fitted, test, y_test, cuts, scorers) for fitted in fits]
        for i, cut in enumerate(cuts):
            label = {"dictionary": name} | ({"n_active": cut} if several else {})
            all_runs.append([run[i] for run in runs])
            records.append(label | _summary(all_runs[-1], n_seeds))
    return ComparisonTable(records, all_runs)


def check_scorers(scorers):
    """Return scorers as a list of (name or None, scorer)."""
    named = isinstance(scorers, dict)
    if not named and not isinstance(scorers, (list, tuple)):
        raise TypeError(
            f"scorers is {type(scorers).__name__}; pass a list of scorers, or a dict of names to "
            f"scorers"
        )
    items = list(scorers.items()) if named else [(None, scorer) for scorer in scorers]
    for _, scorer in items:
        if not callable(scorer):
            raise TypeError(
                f"{scorer!r} is not a scorer; pass callables (dictionary, rows) -> number"
            )
    return items


def _measure(fitted, test, y_test, cuts, scorers):
    """Return the measures of a fitted dictionary at each cut, including those of scorers."""
    measures = measure_at_cuts(fitted, test, cuts, y_test)
    for cut, record in zip(cuts, measures, strict=True):
        dictionary = fitted
        if cut is not None and scorers:
            dictionary = TopKDictionary(fitted, cut, prefit=True).fit(test)
        scored = {}
        for name, scorer in scorers:
            for key, value in scores_by_name(name, scorer, dictionary, test).items():
                if key in scored:
                    raise ValueError(
                        f"two scorers return {key!r}; pass scorers as a dict with distinct names"
                    )
                scored[key] = value
        # The table's own measures win: they use all test rows, a scorer may use only some.
        record.update({key: value for key, value in scored.items() if key not in record})
    return measures


def scores_by_name(name, scorer, dictionary, test):
    """Return the numbers of a scorer by name, see `compare_dictionaries`."""
    if hasattr(scorer, "measure"):
        before = "" if name is None else f"{name}_"
        return {before + key: value for key, value in scorer.measure(dictionary, test).items()}
    return {name or getattr(scorer, "__name__", type(scorer).__name__): scorer(dictionary, test)}


def _check_cuts(cuts):
    """Return the checked numbers of codes per row; [None] keeps all codes."""
    if cuts == [None]:
        return cuts
    for cut in cuts:
        check_number("n_active", cut, low=1, integer=True)
    if not cuts or len(set(cuts)) < len(cuts):
        raise ValueError(
            f"n_active={cuts} is empty or has duplicates; pass at least one number, each once"
        )
    return [int(cut) for cut in cuts]


def _fitted(name, dictionary, train, y_train, n_seeds):
    """Yield the fitted dictionary, or one fit per seed if it has a random state."""
    if not is_fitted(dictionary):
        if train is not None:
            check_targets_given(dictionary, y_train, "y_train")
        if train is None:
            raise ValueError(
                f"{name!r} is not fitted and train is None; pass rows as train, or a fitted "
                f"dictionary"
            )
        named = [key for key in dictionary.get_params() if key.split("__")[-1] == "random_state"]
        if n_seeds > 1 and named:
            rows = (train,) if y_train is None else (train, y_train)
            for seed in range(n_seeds):
                yield clone(dictionary).set_params(**dict.fromkeys(named, seed)).fit(*rows)
            return
    yield fit_or_use(dictionary, train, y_train)


def mean_interval(values):
    """Return the bounds of the 95 % Student t interval of a mean; nan for fewer than two values.

    Parameters
    ----------
    values : sequence of float
        Independent measurements.

    Returns
    -------
    (float, float)
        Mean minus and plus ``t * s / sqrt(n)``, see `compare_dictionaries`.
    """
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(n))
    mean = sum(values) / n
    return mean - half, mean + half


def _summary(runs, n_seeds):
    """Return the means of measures over seeds, with the interval of FVU if there are several."""
    record = {}
    for key in runs[0]:
        record[key] = _mean(run[key] for run in runs)
        if key == "fvu" and n_seeds > 1:
            record["fvu_low"], record["fvu_high"] = mean_interval([run["fvu"] for run in runs])
    return record


def _mean(values):
    """Return the mean of values; equal values are returned unchanged, so ints stay ints."""
    values = list(values)
    return values[0] if len(set(values)) == 1 else sum(values) / len(values)
