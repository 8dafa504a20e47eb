"""Verdicts of a judge on windows, requested in random order."""

import numpy as np

from skdict.interpretation._attempts import Attempts


def ask_judge(judge, explanation, windows, *, n_shown=5, seed=0, attempts=None, feature=0):
    """Return the verdict of a judge on each window, shown in random order.

    Parameters
    ----------
    judge : object
        Judge whose ``judge(explanation, windows)`` returns for each window how likely it is to
        fit the explanation: numbers from 0 to 1, or nan if it has no answer.
    explanation : Explanation, str or None
        Explanation to judge by.
    windows : sequence of Window
        Windows to judge.
    n_shown : int, default=5
        Number of windows shown to the judge at a time; the last batch may be smaller.
    seed : int, default=0
        Seed for the order of the windows.
    attempts : Attempts or None, default=None
        Object that collects failures.
    feature : int, default=0
        Number of the feature under which failures are stored.

    Returns
    -------
    ndarray of float, shape (n_windows,)
        Verdicts in the order of `windows`; nan if the judge failed.

    Raises
    ------
    ValueError
        If the judge returns the wrong number of values, or values outside the range from 0 to 1.
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
            f"{type(judge).__name__}.judge returned {np.array2string(given, threshold=8)} for {n} "
            f"windows; it must return {n} numbers from 0 to 1, or nan where it has no answer"
        )
    return given
