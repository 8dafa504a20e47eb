"""Rows held out from training, to measure L0 on.

Rows that were trained on fire differently: after ten epochs on a real layer, a threshold that
leaves 12 codes on them leaves 12.4 to 13 on others.
"""

from skdict.decomposition._activation import is_calibrated, is_steered

SHARE = 0.05
# Alpha is steered again after each epoch, by few rows. A threshold takes as many as there are;
# where these are too few, all rows give a less noisy one.
MOST_STEERED_BY = 4096
LEAST_CALIBRATED_ON, MOST_CALIBRATED_ON = 1024, 2**17


def split_rows(sae, X):
    """Return the rows to train on, and the last rows, at most a twentieth, to measure L0 on.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder
        Gives the parameters.
    X : array-like of shape (n, d)
        Rows.

    Returns
    -------
    (array-like of shape (n', d), array-like of shape (n'', d) or None)
        None where nothing is to be measured, or not on rows of their own.
    """
    n_held_out = int(SHARE * len(X))
    if is_steered(sae):
        n_held_out = min(MOST_STEERED_BY, n_held_out)
        return (X, X) if n_held_out == 0 else (X[:-n_held_out], X[-n_held_out:])
    n_held_out = min(MOST_CALIBRATED_ON, n_held_out)
    if is_calibrated(sae) and n_held_out >= LEAST_CALIBRATED_ON:
        return X[:-n_held_out], X[-n_held_out:]
    return X, None
