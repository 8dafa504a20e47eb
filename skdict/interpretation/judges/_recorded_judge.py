"""Judge that returns verdicts recorded earlier."""

import numpy as np

from skdict.interpretation.judges._window import Window


class RecordedJudge:
    """Judge that returns recorded verdicts of a language model or of people.

    Parameters
    ----------
    verdicts : dict of (str, str) to float
        Verdict on each pair of explanation and window, both as text: True, False or a number from
        0 to 1; nan if the judge failed.

    Examples
    --------
    >>> from skdict.interpretation import RecordedJudge, Window
    >>> judge = RecordedJudge({("cats", "a cat ran"): True})
    >>> judge.judge("cats", [Window.from_text("a cat ran")]).tolist()
    [1.0]
    """

    def __init__(self, verdicts):
        # Parsing merges adjacent marks, so texts that differ only in this are found.
        self.verdicts = {
            (said, str(Window.from_text(text))): verdict
            for (said, text), verdict in verdicts.items()
        }

    def judge(self, explanation, windows):
        """Return the recorded verdict on each window.

        Parameters
        ----------
        explanation : Explanation or str
            Explanation that the windows were judged by.
        windows : sequence of Window
            Windows that were judged.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            Recorded verdicts.

        Raises
        ------
        KeyError
            If no verdict on a window was recorded.
        """
        said = getattr(explanation, "text", explanation)
        pairs = [(said, str(window)) for window in windows]
        for pair in pairs:
            if pair not in self.verdicts:
                raise KeyError(
                    f"no verdict on {pair[1]!r} for {pair[0]!r} was recorded; pass only windows "
                    f"that were judged"
                )
        return np.array([self.verdicts[pair] for pair in pairs], dtype=np.float64)
