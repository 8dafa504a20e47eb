"""Ratings read from rating sheets, unblinded."""

from dataclasses import dataclass

import numpy as np

# Largest acceptable rating of a no-pattern check, and smallest of a one-token check.
NO_PATTERN, CLEAR_PATTERN = 1, 2


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of features by people, unblinded.

    Parameters
    ----------
    records : list of dict
        One dict per rating with `rater`, `item`, `kind` ("feature", "duplicate", "one token" or
        "no pattern"), `method`, `feature`, `rating`, `label`, `confidence` and `seconds`; None
        for cells left empty. ``pandas.DataFrame(ratings.records)`` is a table in long format.
    """

    records: list

    @property
    def raters(self):
        """Names of the raters, sorted."""
        return sorted({record["rater"] for record in self.records})

    @property
    def features(self):
        """Rated features as a sorted list of (method, feature)."""
        return sorted({(r["method"], r["feature"]) for r in self._of("feature")})

    def matrix(self):
        """Return the ratings of features, without duplicates.

        Returns
        -------
        ndarray of float, shape (n_raters, n_features)
            Ratings, nan if missing, with rows ordered as `raters` and columns as `features`.
        """
        return self._matrix("feature")

    def repeated(self):
        """Return the first and second ratings of the features that were shown twice.

        Returns
        -------
        (ndarray, ndarray) of float, shape (n_pairs,)
            Pairs in which both ratings are present, over all raters.
        """
        first, second = self._matrix("feature"), self._matrix("duplicate")
        both = np.isfinite(first) & np.isfinite(second)
        return first[both], second[both]

    def failed_checks(self):
        """Return the number of failed checks of each rater.

        Returns
        -------
        dict of str to int
            Number of ratings below 2 of checks marked at a single word, plus ratings above 1 of
            checks without a pattern.
        """
        failed = dict.fromkeys(self.raters, 0)
        for record in self.records:
            failed[record["rater"]] += (
                record["kind"] == "one token" and record["rating"] < CLEAR_PATTERN
            ) or (record["kind"] == "no pattern" and record["rating"] > NO_PATTERN)
        return failed

    def _of(self, kind):
        return [record for record in self.records if record["kind"] == kind]

    def _matrix(self, kind):
        rows = {rater: i for i, rater in enumerate(self.raters)}
        columns = {feature: j for j, feature in enumerate(self.features)}
        found = np.full((len(rows), len(columns)), np.nan)
        for r in self._of(kind):
            column = columns.get((r["method"], r["feature"]))
            if column is not None:
                found[rows[r["rater"]], column] = r["rating"]
        return found
