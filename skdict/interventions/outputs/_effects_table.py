"""Table of what features do to the model's output."""

from itertools import chain

import numpy as np


class OutputEffects:
    """Effects of features on the log-probabilities of the next token.

    Returned by `output_effects`. The table has one row per feature and shown token, with the
    columns `feature`, `token` (its text), `token_id`, `effect` (in nats, positive if the feature
    makes the token more likely), `direct` (in logits), `n_positions` and `agreement`. Pass it to
    `write_report` as `effects`.

    Parameters
    ----------
    features : ndarray of int, shape (n_features,)
        Numbers of the features in the dictionary.
    n_positions : ndarray of int, shape (n_features,)
        Number of positions averaged over; 0 for a feature that fires nowhere.
    effects : ndarray of float32, shape (n_features, n_vocabulary)
        Mean change in log-probability caused by the feature; nan if it fires nowhere.
    direct : ndarray of float32, shape (n_features, n_vocabulary)
        Mean direct logit attribution through the final norm; nan where it is undefined.
    agreement : ndarray of float, shape (n_features,)
        Spearman rank correlation of `effects` and `direct` over the vocabulary.
    vocabulary : list of str
        Text of each token.
    n_tokens : int
        Number of tokens shown at each end.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.interventions import OutputEffects
    >>> effects, direct = np.array([[0.5, -0.2, 0.1]]), np.array([[2.0, -1.0, 0.0]])
    >>> table = OutputEffects(
    ...     np.array([7]), np.array([3]), effects, direct, np.array([1.0]), ["a", "b", "c"], 1
    ... )
    >>> table.to_dict()["token"], table.to_dict()["effect"]
    (['a', 'b'], [0.5, -0.2])
    """

    def __init__(self, features, n_positions, effects, direct, agreement, vocabulary, n_tokens=10):
        self.features, self.n_positions = features, n_positions
        self.effects, self.direct, self.agreement = effects, direct, agreement
        self.vocabulary, self.n_tokens = vocabulary, n_tokens

    def __len__(self):
        return len(self.features)

    def tokens(self, feature, n_tokens=None):
        """Return the tokens that a feature makes more likely, and those it makes less likely.

        Parameters
        ----------
        feature : int
            Number of the feature in the dictionary.
        n_tokens : int, optional
            Maximum number of tokens at each end. By default as many as the table shows.

        Returns
        -------
        (list of (str, float), list of (str, float))
            Tokens with their effects in nats, strongest first.

        Raises
        ------
        KeyError
            If the feature is not in the table.
        """
        row = self._row(feature)
        n_tokens = self.n_tokens if n_tokens is None else n_tokens
        order = self._strongest(row, n_tokens)
        return tuple(
            [(self.vocabulary[i], float(self.effects[row, i])) for i in part] for part in order
        )

    def _row(self, feature):
        rows = np.flatnonzero(self.features == feature)
        if not len(rows):
            raise KeyError(
                f"feature {feature} is not in the table; use one of {self.features.tolist()}"
            )
        return rows[0]

    def _strongest(self, row, n_tokens):
        effects = self.effects[row]
        if not self.n_positions[row]:
            return [], []
        order = np.argsort(-effects, kind="stable")
        raised = [i for i in order[:n_tokens] if effects[i] > 0]
        lowered = [i for i in order[::-1][:n_tokens] if effects[i] < 0]
        return raised, lowered

    def to_dict(self):
        """Return the table as a dict of columns.

        Returns
        -------
        dict of str to list
            Columns `feature`, `token`, `token_id`, `effect`, `direct`, `n_positions`, `agreement`.
            For each feature, the tokens it makes more likely come first, then those it makes less
            likely, each strongest first.
        """
        names = "feature", "token", "token_id", "effect", "direct", "n_positions", "agreement"
        columns = {name: [] for name in names}
        for row, feature in enumerate(self.features):
            for i in chain(*self._strongest(row, self.n_tokens)):
                cells = (
                    int(feature),
                    self.vocabulary[i],
                    int(i),
                    float(self.effects[row, i]),
                    float(self.direct[row, i]),
                    int(self.n_positions[row]),
                    float(self.agreement[row]),
                )
                for name, cell in zip(names, cells, strict=True):
                    columns[name].append(cell)
        return columns

    def to_frame(self):
        """Return the table as a pandas DataFrame. Requires pandas.

        Returns
        -------
        pandas.DataFrame
            One row per feature and token, with the columns of `to_dict`.
        """
        import pandas as pd

        return pd.DataFrame(self.to_dict())

    def __str__(self):
        lines = []
        for row, feature in enumerate(self.features):
            raised, lowered = (
                " ".join(f"{token!r} {effect:+.3g}" for token, effect in side)
                for side in self.tokens(feature, 5)
            )
            lines.append(
                f"feature {feature}: {self.n_positions[row]} positions, agreement "
                f"{self.agreement[row]:.2f}\n  likelier: {raised}\n  less likely: {lowered}"
            )
        return "\n".join(lines)

    __repr__ = __str__
