"""What a report shows, as numbers and lists that fit in JSON."""

import numpy as np
import scipy.sparse
from tqdm.auto import tqdm

from skdict._core import RunningMoments
from skdict._validation import check_finite, compute_dtype
from skdict.decomposition import dictionary_atoms
from skdict.inspection._neighbours import nearest_features
from skdict.inspection._statistics import FeatureStatistics
from skdict.inspection.evidence import iter_documents
from skdict.inspection.report._page import visible
from skdict.inspection.report._tables import number

# Codes that a dense block may hold.
BLOCK_CODES = 4_000_000
N_TOKENS, N_NEAREST, N_OUTPUT = 10, 6, 8


def encode(dictionary, acts, n_components, *, verbose, **options):
    """Return statistics of all codes, and how well they rebuild the rows.

    Negative codes are features of their own, numbered `n_components` further on.

    Parameters
    ----------
    dictionary : estimator
        Fitted.
    acts : Activations of shape (n_tokens, width)
        Read once, block by block.
    n_components : int
        Of the dictionary.
    verbose : bool
        Whether a bar shows how far it is.
    **options : dict
        Of `FeatureStatistics`.

    Returns
    -------
    (FeatureStatistics, dict)
        The measures are `fvu` and `l0`.
    """
    statistics, moments = FeatureStatistics(**options), RunningMoments(acts.shape[1])
    squared_error, n_active = 0.0, 0
    rows = int(np.clip(BLOCK_CODES // n_components, 64, 8192))
    with tqdm(total=len(acts), unit="token", delay=1, leave=False, disable=not verbose) as bar:
        for block in iter_documents(acts, block_rows=rows):
            parts = []
            for start in range(0, len(block), rows):
                part = check_finite(np.asarray(block[start : start + rows]), start)
                part = part.astype(compute_dtype(part), copy=False)
                codes = dictionary.transform(part)
                rebuilt = np.asarray(dictionary.inverse_transform(codes))
                squared_error += float(np.square(part - rebuilt, dtype=np.float64).sum())
                moments.update(part)
                parts.append(signs_apart(codes))
            codes = scipy.sparse.vstack(parts, format="csr")
            n_active += codes.nnz
            statistics.partial_fit(codes, block)
            bar.update(len(block))
    fvu = squared_error / moments.squared_deviations if moments.squared_deviations else np.nan
    return statistics, {"fvu": number(fvu), "l0": number(n_active / len(acts))}


def signs_apart(codes):
    """Return codes with the negative ones in columns of their own, all above 0, as CSR."""
    codes = scipy.sparse.csr_array(codes)
    codes = scipy.sparse.hstack([codes, -codes], format="csr")
    codes.data[codes.data < 0] = 0
    codes.eliminate_zeros()
    return codes


class Pool:
    """Different things under the numbers in which they came."""

    def __init__(self):
        self.items, self._numbers = [], {}

    def number_of(self, key, make):
        """Return the number of what a key stands for, made where the key is new."""
        if key not in self._numbers:
            self._numbers[key] = len(self.items)
            self.items.append(make())
        return self._numbers[key]


class Sheets:
    """The sheets of features, with tokens and windows that many share written once.

    Parameters
    ----------
    statistics : FeatureStatistics
        Of all codes.
    vocabulary : sequence of str or None
        The readable piece of each token.
    """

    def __init__(self, statistics, vocabulary):
        self._statistics, self._vocabulary = statistics, vocabulary
        self._histogram, self._records = statistics.histogram_, statistics.records()
        self._tokens, self._windows = Pool(), Pool()

    @property
    def tokens(self):
        """Texts of the tokens."""
        return self._tokens.items

    @property
    def windows(self):
        """For each window its document, first position and tokens."""
        return self._windows.items

    def sheet(self, feature, size):
        """Return what is known of one feature whose largest code is `size`.

        Parameters
        ----------
        feature : int
            Column of the codes.
        size : float
            Codes are written in thousandths of it.

        Returns
        -------
        dict
            `hist`, first bin and counts; `tok`, token, share in thousandths, probability in
            thousandths, firings; `top` and `random`, windows with offsets and codes; `silent`.
        """
        counts = self._histogram[feature]
        filled = np.flatnonzero(counts)
        first, end = (filled[0], filled[-1] + 1) if len(filled) else (0, 0)
        table = self._statistics.token_table(feature, n_tokens=N_TOKENS)
        columns = table.token_ids, table.share * 1000, table.probability * 1000, table.firings
        records = self._records[feature]
        return {
            "hist": [int(first), counts[first:end].tolist()],
            "tok": [
                [self._token(i), round(share), round(probability), int(firings)]
                for i, share, probability, firings in zip(*columns, strict=True)
            ],
            "top": [self._window(r, size) for r in records.top],
            "random": [self._window(r, size) for r in records.random],
            "silent": [self._place(r) for r in records.silent],
        }

    def _window(self, record, size):
        at = np.flatnonzero(record.codes)
        shares = np.maximum(1, np.round(record.codes[at] / size * 1000)).astype(int)
        return [self._place(record), np.stack([at, shares], axis=1).ravel().tolist()]

    def _place(self, record):
        def make():
            tokens = [self._token(i) for i in record.token_ids.tolist()]
            return [record.document, record.position, tokens]

        return self._windows.number_of((record.document, record.position), make)

    def _token(self, token_id):
        token_id = int(token_id)
        known = self._vocabulary is not None
        text = self._vocabulary[token_id] if known else f"<{token_id}>"
        return self._tokens.number_of(token_id, lambda: visible(text))


def nearest_alive(dictionary, alive):
    """Return for each component the most similar others that fire.

    Parameters
    ----------
    dictionary : estimator
        Fitted.
    alive : ndarray of bool, shape (n_components,)
        Which components ever fire; the others have no neighbours.

    Returns
    -------
    list of list of (int, float)
        Components with the cosines of their atoms, largest first.
    """
    found, kept = [[] for _ in alive], np.flatnonzero(alive)
    if len(kept) > 1:
        near = nearest_features(dictionary_atoms(dictionary)[kept], n_neighbors=N_NEAREST)
        for j, others, cosines in zip(kept, kept[near.indices], near.cosines, strict=True):
            found[j] = list(zip(others.tolist(), cosines.tolist(), strict=True))
    return found
