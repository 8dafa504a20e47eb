"""What people filled in on rating sheets, unblinded."""

from dataclasses import dataclass

import numpy as np

# Largest rating that a check without a pattern may get, and smallest of one with a clear pattern.
NO_PATTERN, CLEAR_PATTERN = 1, 2


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of features by people, unblinded.

    Parameters
    ----------
    records : list of dict
        One for each rating: `rater`, `item`, `kind` ("feature", "duplicate", "one token" or
        "no pattern"), `method`, `feature`, `rating`, `label`, `confidence`, `seconds`;
        None where nothing was filled in. ``pandas.DataFrame(ratings.records)`` is a long table.
    """

    records: list

    @property
    def raters(self):
        """Names of the people."""
        return sorted({record["rater"] for record in self.records})

    @property
    def features(self):
        """The rated features, as a list of (method, feature)."""
        return sorted({(r["method"], r["feature"]) for r in self._of("feature")})

    def matrix(self):
        """Return the ratings of features, without those shown a second time.

        Returns
        -------
        ndarray of float, shape (n_raters, n_features)
            nan where a rating is missing; rows as `raters`, columns as `features`.
        """
        return self._matrix("feature")

    def repeated(self):
        """Return the first and second ratings of the features shown twice.

        Returns
        -------
        (ndarray, ndarray) of float, shape (n_pairs,)
            Pairs with both ratings, of all raters.
        """
        first, second = self._matrix("feature"), self._matrix("duplicate")
        both = np.isfinite(first) & np.isfinite(second)
        return first[both], second[both]

    def failed_checks(self):
        """Return how many checks each person got wrong.

        Returns
        -------
        dict of str to int
            Ratings below 2 where all windows are marked at one word, and above 1 where they
            belong to different features.
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
