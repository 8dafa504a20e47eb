"""Any dictionaries side by side, in one table."""

import html

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_number
from skdict.metrics._measure import measure_dictionary


class ComparisonTable:
    """Measures of dictionaries, one record each; `print` shows a table.

    Parameters
    ----------
    records : list of dict
        One for each dictionary, with equal keys.

    Attributes
    ----------
    records : list of dict
        The measures.
    """

    def __init__(self, records):
        self.records = records

    def __getitem__(self, name):
        """Return the record of the dictionary of this name."""
        for record in self.records:
            if record["dictionary"] == name:
                return record
        names = ", ".join(repr(record["dictionary"]) for record in self.records)
        raise KeyError(f"{name!r} is not in the table; there are {names}")

    def __len__(self):
        return len(self.records)

    def to_frame(self):
        """Return the table as a data frame; this needs pandas.

        Returns
        -------
        pandas.DataFrame
            Indexed by dictionary.
        """
        import pandas as pd

        return pd.DataFrame.from_records(self.records, index="dictionary")

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
        shown = [
            [f"{v:.4g}" if isinstance(v, float) else str(v) for v in record.values()]
            for record in self.records
        ]
        return [head, *shown]


def compare_dictionaries(dictionaries, train, test, *, n_active=None, n_seeds=1):
    """Measure dictionaries on the same rows.

    Parameters
    ----------
    dictionaries : dict of str to estimator
        Anything with `components_`, `transform` and `inverse_transform` once fitted. Fitted
        ones are used as they are; of unfitted ones a clone is fitted on `train`.
    train : array-like of shape (n_samples, n_features) or None
        Rows to fit on; None if all are fitted.
    test : array-like of shape (n_samples, n_features)
        Rows to measure on.
    n_active : int or None, default=None
        If given, each row keeps only its so many strongest codes, ranked by absolute code
        times the length of its atom, so that methods compare at equal sparsity.
    n_seeds : int, default=1
        Fits of each unfitted dictionary that has a `random_state`, with the seeds 0, 1, ...;
        measures are then means over seeds.

    Returns
    -------
    ComparisonTable
        For each dictionary `n_components`; `fvu`, the fraction of variance unexplained;
        `l0`, non-zero codes a row; `n_dead`, features that fire on no row; `density`, the
        median share of rows that a feature fires on. With several seeds also `fvu_spread`,
        half the range of the FVU over them; nan where nothing is random, or fitted already.

    Raises
    ------
    TypeError
        If an estimator is no dictionary, or the rows are sparse.
    ValueError
        If there is no dictionary, one is unfitted and `train` is None, `n_active` or `n_seeds`
        is below 1, or the test rows do not vary, are not finite or not two-dimensional.

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
    """
    if not isinstance(dictionaries, dict) or not dictionaries:
        raise ValueError(
            f"dictionaries is {dictionaries!r}; pass a dict of names to dictionaries, with at "
            f"least one"
        )
    if n_active is not None:
        check_number("n_active", n_active, low=1, integer=True)
    check_number("n_seeds", n_seeds, low=1, integer=True)
    records = []
    for name, dictionary in dictionaries.items():
        runs = [
            measure_dictionary(fitted, test, n_active)
            for fitted in _fitted(name, dictionary, train, n_seeds)
        ]
        record = {"dictionary": name} | {key: _mean(run[key] for run in runs) for key in runs[0]}
        if n_seeds > 1:
            errors = [run["fvu"] for run in runs]
            spread = (max(errors) - min(errors)) / 2
            record["fvu_spread"] = spread if len(runs) > 1 else float("nan")
        records.append(record)
    return ComparisonTable(records)


def _fitted(name, dictionary, train, n_seeds):
    """Yield the fitted dictionary, or one for each seed where there is anything random."""
    try:
        check_is_fitted(dictionary)
    except NotFittedError:
        if train is None:
            raise ValueError(
                f"{name!r} is not fitted; pass rows to fit it on as train, or a fitted one"
            ) from None
        named = [key for key in dictionary.get_params() if key.split("__")[-1] == "random_state"]
        if n_seeds == 1 or not named:
            yield clone(dictionary).fit(train)
            return
        for seed in range(n_seeds):
            yield clone(dictionary).set_params(**dict.fromkeys(named, seed)).fit(train)
    else:
        yield dictionary


def _mean(values):
    """Return the mean of values; a whole number stays one where they agree."""
    values = list(values)
    return values[0] if len(set(values)) == 1 else sum(values) / len(values)
