"""What is on axes, and things to draw."""

import matplotlib.text
import numpy as np

from skdict.metrics import ComparisonTable

TOKENS = ["a", " $x$", "_", "\n", "<script>", "é", "long token"]


def texts(ax):
    """Return every text on axes, once they are drawn."""
    ax.figure.canvas.draw()
    return [text.get_text() for text in ax.figure.findobj(matplotlib.text.Text)]


def heights(ax):
    return np.array([patch.get_height() for patch in ax.patches])


def tables(**scores):
    return ComparisonTable(
        [
            {"dictionary": name, "fvu": 0.1, "interpretability": v, **interval(v)}
            for name, v in scores.items()
        ]
    )


def interval(value):
    return {"interpretability_low": value - 0.1, "interpretability_high": value + 0.2}


def curve(scale):
    counts = np.array([0, 1, 2, 4, 64])
    columns = ("edit_magnitude", "relative_edit_magnitude", "kl", "reverse_kl", "logit_diff")
    return {"n_patched": counts} | dict.fromkeys(columns, scale / (1 + counts))
