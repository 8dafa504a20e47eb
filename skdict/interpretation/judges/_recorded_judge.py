"""Verdicts recorded before, of a language model or of people."""

import numpy as np

from skdict.interpretation.judges._window import Window


class RecordedJudge:
    """Give verdicts that were recorded: those of a language model, or of people.

    Parameters
    ----------
    verdicts : dict of (str, str) to float
        For explanation and window, both as text, what was said: True, False or a number from 0 to
        1; nan where the judge failed.

    Examples
    --------
    >>> from skdict.interpretation import RecordedJudge, Window
    >>> judge = RecordedJudge({("cats", "a cat ran"): True})
    >>> judge.judge("cats", [Window.from_text("a cat ran")]).tolist()
    [1.0]
    """

    def __init__(self, verdicts):
        # Marks side by side are read as one, however they were written.
        self.verdicts = {
            (said, str(Window.from_text(text))): verdict
            for (said, text), verdict in verdicts.items()
        }

    def judge(self, explanation, windows):
        """Return what was said of each window.

        Parameters
        ----------
        explanation : Explanation or str
            What it was judged by.
        windows : sequence of Window
            What was judged.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            The verdicts recorded.

        Raises
        ------
        KeyError
            If there is no verdict on a window.
        """
        said = getattr(explanation, "text", explanation)
        pairs = [(said, str(window)) for window in windows]
        for pair in pairs:
            if pair not in self.verdicts:
                raise KeyError(
                    f"no verdict on {pair[1]!r} by {pair[0]!r} was recorded; pass the windows that "
                    f"were judged"
                )
        return np.array([self.verdicts[pair] for pair in pairs], dtype=np.float64)
