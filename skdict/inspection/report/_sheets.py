"""Convert what a report shows of each feature to numbers and lists that fit in JSON."""

import numpy as np

from skdict.decomposition import dictionary_atoms
from skdict.inspection._neighbours import nearest_features
from skdict.inspection.report._page import visible
from skdict.inspection.report._tables import number

N_TOKENS, N_NEAREST, N_OUTPUT = 10, 6, 8


class Pool:
    """Distinct items, numbered in order of first use."""

    def __init__(self):
        self.items, self._numbers = [], {}

    def number_of(self, key, make):
        """Return the number of the item with this key, calling `make` if the key is new."""
        if key not in self._numbers:
            self._numbers[key] = len(self.items)
            self.items.append(make())
        return self._numbers[key]


class Sheets:
    """Feature sheets, with shared tokens and windows stored only once.

    Parameters
    ----------
    statistics : FeatureStatistics
        Statistics of all codes.
    vocabulary : sequence of str or None
        Readable text of each token.
    nearest : list of list of (int, float)
        Nearest components of each component, with cosine similarities.
    effects : dict of int to (list of (str, float), list of (str, float))
        Output tokens of features, as returned by `effects_by_feature`.
    """

    def __init__(self, statistics, vocabulary, nearest, effects):
        self._statistics, self._vocabulary = statistics, vocabulary
        self._nearest, self._effects = nearest, effects
        self._histogram, self._records = statistics.histogram_, statistics.records()
        self._counts, self._max = statistics.counts_, statistics.max_
        # Token texts; and for each window its document, first position and tokens.
        self.tokens, self.windows = Pool(), Pool()

    def sheet(self, feature):
        """Return the sheet of one feature.

        Parameters
        ----------
        feature : int
            Column of the codes.

        Returns
        -------
        dict
            `hist`, first bin and counts; `tok`, tokens with share and probability in thousandths
            and number of firings; `top` and `random`, windows with offsets and codes in thousandths
            of the largest code; `silent`, windows; `up` and `down`, output tokens with effects;
            `near`, features with cosine similarities.
        """
        counts = self._histogram[feature]
        filled = np.flatnonzero(counts)
        first, end = (filled[0], filled[-1] + 1) if len(filled) else (0, 0)
        records, size = self._records[feature], float(self._max[feature])
        up, down = self._effects.get(feature, ((), ()))
        return {
            "hist": [int(first), counts[first:end].tolist()],
            "tok": self._top_tokens(feature),
            "top": [self._window(r, size) for r in records.top],
            "random": [self._window(r, size) for r in records.random],
            "silent": [self._place(r) for r in records.silent],
            "up": _output(up),
            "down": _output(down),
            "near": self._near(feature),
        }

    def _top_tokens(self, feature):
        table = self._statistics.token_table(feature, n_tokens=N_TOKENS)
        columns = table.token_ids, table.share * 1000, table.probability * 1000, table.firings
        return [
            [self._token(i), round(share), round(probability), int(firings)]
            for i, share, probability, firings in zip(*columns, strict=True)
        ]

    def _near(self, feature):
        """Return the nearest features, each with the sign that fires more often."""
        n_components = len(self._nearest)
        sign = -1 if feature >= n_components else 1
        found = []
        for other, cosine in self._nearest[feature % n_components]:
            flipped = self._counts[other + n_components] > self._counts[other]
            cosine *= sign * (-1 if flipped else 1)
            found.append([int(other + n_components * flipped), number(cosine, 3)])
        return sorted(found, key=lambda pair: -pair[1])

    def _window(self, record, size):
        at = np.flatnonzero(record.codes)
        shares = np.maximum(1, np.round(record.codes[at] / size * 1000)).astype(int)
        return [self._place(record), np.stack([at, shares], axis=1).ravel().tolist()]

    def _place(self, record):
        def make():
            tokens = [self._token(i) for i in record.token_ids.tolist()]
            return [record.document, record.position, tokens]

        return self.windows.number_of((record.document, record.position), make)

    def _token(self, token_id):
        token_id = int(token_id)
        known = self._vocabulary is not None
        text = self._vocabulary[token_id] if known else f"<{token_id}>"
        return self.tokens.number_of(token_id, lambda: visible(text))


def _output(effects):
    return [[visible(token), number(effect, 3)] for token, effect in effects[:N_OUTPUT]]


def nearest_alive(dictionary, alive):
    """Return the most similar other components that fire, for each component.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary.
    alive : ndarray of bool, shape (n_components,)
        Mask of components that fire; dead ones have no neighbours.

    Returns
    -------
    list of list of (int, float)
        Components with the cosine similarities of their decoder directions, largest first.
    """
    found, kept = [[] for _ in alive], np.flatnonzero(alive)
    if len(kept) > 1:
        near = nearest_features(dictionary_atoms(dictionary)[kept], n_neighbors=N_NEAREST)
        for j, others, cosines in zip(kept, kept[near.indices], near.cosines, strict=True):
            found[j] = list(zip(others.tolist(), cosines.tolist(), strict=True))
    return found
