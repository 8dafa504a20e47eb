"""Split off held-out rows, on which L0 is measured.

L0 differs between training rows and new ones: after ten epochs on a real layer, a threshold with
an L0 of 12 on training rows has an L0 of 12.4 to 13 on others.
"""

from skdict.decomposition._activation import is_calibrated, is_steered

SHARE = 0.05
# Alpha is adjusted after each epoch, so few rows must do. A threshold is set once, from as many
# held-out rows as possible; if there are too few, all rows give a less noisy one.
MOST_STEERED_BY = 4096
LEAST_CALIBRATED_ON, MOST_CALIBRATED_ON = 1024, 2**17


def split_rows(sae, X):
    """Return the rows to train on and the held-out rows: the last twentieth, or fewer.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder
        Estimator whose parameters are used.
    X : array-like of shape (n, d)
        All rows.

    Returns
    -------
    (array-like of shape (n', d), array-like of shape (n'', d) or None)
        Training rows and held-out rows. The latter are None if no L0 is measured, or if they would
        be too few to set a threshold. With fewer than 20 rows, a penalty with a target uses all
        rows for both.
    """
    n_held_out = int(SHARE * len(X))
    if is_steered(sae):
        n_held_out = min(MOST_STEERED_BY, n_held_out)
        return (X, X) if n_held_out == 0 else (X[:-n_held_out], X[-n_held_out:])
    n_held_out = min(MOST_CALIBRATED_ON, n_held_out)
    if is_calibrated(sae) and n_held_out >= LEAST_CALIBRATED_ON:
        return X[:-n_held_out], X[-n_held_out:]
    return X, None
