"""The verdicts of a judge on windows, asked for in an order that tells nothing."""

import numpy as np

from skdict.interpretation._attempts import Attempts


def ask_judge(judge, explanation, windows, *, n_shown=5, seed=0, attempts=None, feature=0):
    """Return what a judge says of each window, in an order that tells nothing.

    Parameters
    ----------
    judge : object
        Its ``judge(explanation, windows)`` gives, for each window, how likely it is that the
        explanation fits: numbers from 0 to 1, nan where it failed to say.
    explanation : Explanation, str or None
        What to judge by.
    windows : sequence of Window
        What to judge.
    n_shown : int, default=5
        Windows that the judge is shown at a time; the last time there may be fewer.
    seed : int, default=0
        Of the order.
    attempts : Attempts or None, default=None
        Keeps what goes wrong, under the number of the feature.
    feature : int, default=0
        That number.

    Returns
    -------
    ndarray of float, shape (n_windows,)
        In the order of the windows; nan where the judge failed.

    Raises
    ------
    ValueError
        If the judge gives another number of values, or values outside of 0 and 1.
    """
    order = np.random.default_rng(seed).permutation(len(windows))
    shown = [order[start : start + n_shown] for start in range(0, len(windows), n_shown)]
    said = np.full(len(windows), np.nan)
    verdicts = (attempts or Attempts()).each(
        "judge",
        judge,
        lambda batch: judge.judge(explanation, [windows[i] for i in batch]),
        [(feature, batch) for batch in shown],
    )
    for batch, given in zip(shown, verdicts, strict=True):
        if given is not None:
            said[batch] = _check_verdicts(judge, given, len(batch))
    return said


def _check_verdicts(judge, given, n):
    given = np.asarray(given, dtype=np.float64)
    if given.shape != (n,) or ((given < 0) | (given > 1)).any():
        raise ValueError(
            f"{type(judge).__name__}.judge gave {np.array2string(given, threshold=8)} for {n} "
            f"windows; it must give {n} numbers from 0 to 1, nan where it failed to say"
        )
    return given
