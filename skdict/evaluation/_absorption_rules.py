"""The rules of feature splitting and absorption, on arrays."""

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.utils.fixes import parse_version

from skdict.metrics.probing import Probe

SELECTION_PENALTY = 0.01
# scikit-learn 1.8 replaced `penalty` by `l1_ratio`.
OLD = parse_version(sklearn.__version__) < parse_version("1.8")
L1 = {"penalty": "l1"} if OLD else {"l1_ratio": 1}
MOST_SPLITS = 10
F1_JUMP = 0.03
SILENT = 1e-8
FULL_COSINE = 0.025
PARTIAL_COSINE = 0.1
MOST_ABSORBERS = 3
PROJECTION_SHARE = 0.4


def main_features(codes, present, train, test):
    """Return the features that represent a concept, and the F1 of a probe on them.

    Features are ranked by the positive weights of an L1-penalised logistic regression. Probes on
    the first 1, 2, ... of them are fitted, and each further feature must raise the F1 on test rows
    by more than `F1_JUMP`.

    Parameters
    ----------
    codes : csr_array of shape (n, m)
        Non-negative codes, in comparable units.
    present : ndarray of bool, shape (n,)
        Rows with the concept.
    train, test : ndarray of int
        Rows to fit on and to compute F1 on.

    Returns
    -------
    (list of int, float)
        Features, strongest first, and F1. Without a feature of positive weight, [] and 0.
    """
    y = present[train]
    n_positive = y.sum()
    # Up to a factor, this is the published objective: mean loss plus penalty times L1 norm.
    selection = LogisticRegression(
        **L1,
        solver="liblinear",
        C=1 / (SELECTION_PENALTY * len(y)),
        class_weight={True: (len(y) - n_positive) / n_positive, False: 1},
        # The penalty acts on the intercept divided by this number.
        intercept_scaling=10,
    ).fit(codes[train], y)
    weights = selection.coef_[0]
    ranked = np.argsort(-weights, kind="stable")[:MOST_SPLITS]
    ranked = ranked[weights[ranked] > 0]
    columns = codes[:, ranked].toarray()
    n_features, best = 0, -np.inf
    for k in range(1, len(ranked) + 1):
        probe = Probe(columns[train, :k], y, per_column=True)
        f1 = f1_score(present[test], probe.scores(columns[test, :k]) > 0)
        if f1 <= best + F1_JUMP:
            break
        n_features, best = k, f1
    return ranked[:n_features].tolist(), float(max(best, 0.0))


def absorbed(codes, cosines, contributions, projections, main):
    """Return the fraction absorbed and whether absorption is full, on rows with a concept.

    Parameters
    ----------
    codes : ndarray of shape (n, m)
        Non-negative codes.
    cosines : ndarray of shape (m,)
        Cosine of each decoder direction with the probe direction.
    contributions : ndarray of shape (n, m)
        Share of each feature in the projection of the row on the probe direction, in the units of
        the projection.
    projections : ndarray of shape (n,)
        Projection of each row on the probe direction.
    main : list of int
        Features that represent the concept.

    Returns
    -------
    (ndarray of shape (n,), ndarray of bool, shape (n,))
        Fractions between 0 and 1, and flags.
    """
    rows = np.arange(len(codes))
    positive = projections > 0
    enough = np.where(positive, PROJECTION_SHARE * projections, np.inf)
    top = contributions.argmax(axis=1)
    silent = (np.abs(codes[:, main]) < SILENT).all(axis=1)
    full = silent & (cosines[top] >= FULL_COSINE) & (contributions[rows, top] >= enough)

    others = np.where(cosines >= PARTIAL_COSINE, np.maximum(contributions, 0), 0)
    others[:, main] = 0
    others = -np.sort(-others, axis=1)[:, :MOST_ABSORBERS].sum(axis=1)
    own = contributions[:, main].sum(axis=1)
    share = np.minimum(others, projections - own)
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(own <= 0, 1.0, share / (share + own))
    applies = (own < projections) & (others >= enough)
    return np.where(applies, fraction, 0.0), full
