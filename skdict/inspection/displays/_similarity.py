"""Plot how similar several dictionaries are."""

import numpy as np

from skdict._validation import check_choice
from skdict.inspection.displays._axes import axes_of
from skdict.metrics import dictionary_similarity

LABELS = {
    "mmcs": "MMCS (mean maximum cosine similarity)",
    "shared": "Fraction of features with a match",
    "matched": "Mean cosine similarity of matched pairs",
}


class DictionarySimilarityDisplay:
    """Heat map of how well the features of each dictionary are matched in each other dictionary.

    Parameters
    ----------
    names : list of str
        Names of the dictionaries.
    values : ndarray of shape (n_dictionaries, n_dictionaries)
        How well the features of dictionary i (row) are matched in dictionary j (column); symmetric
        only for "matched".
    random : ndarray of shape (n_dictionaries, n_dictionaries) or None
        Chance level: the value for as many random directions in place of dictionary i.
    measure : {"mmcs", "shared", "matched"}, default="mmcs"
        Measure that the values hold.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    See Also
    --------
    skdict.metrics.dictionary_similarity : Compute the similarity of one pair.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.inspection import DictionarySimilarityDisplay
    >>> sets = {"small": np.eye(8)[:4], "large": np.eye(8)}
    >>> DictionarySimilarityDisplay.from_estimators(sets).values.tolist()
    [[1.0, 1.0], [0.5, 1.0]]
    """

    def __init__(self, names, values, random=None, *, measure="mmcs"):
        self.names = names
        self.values = values
        self.random = random
        self.measure = measure

    @classmethod
    def from_estimators(cls, dictionaries, *, measure="mmcs", threshold=0.9, random_state=0):
        """Compare all pairs of dictionaries.

        Parameters
        ----------
        dictionaries : dict of str to estimator or array-like
            Fitted dictionaries of the same width, or their decoder directions.
        measure : {"mmcs", "shared", "matched"}, default="mmcs"
            "mmcs" is the mean over features of the maximum cosine similarity. "shared" is the
            fraction of features whose maximum cosine similarity reaches `threshold`. "matched" is
            the mean cosine similarity of the best one-to-one matching, a symmetric measure for the
            stability over seeds.
        threshold : float, default=0.9
            Minimum cosine similarity for two directions to count as a match.
        random_state : int, RandomState instance or None, default=0
            Seed for the random directions. Pass an int for reproducible results across calls.

        Returns
        -------
        DictionarySimilarityDisplay
            Display; call `plot` to draw it.

        Raises
        ------
        TypeError
            If `dictionaries` is not a dict, or contains anything other than dictionaries.
        ValueError
            If there are fewer than two dictionaries, or their widths differ.
        """
        check_choice("measure", measure, tuple(LABELS))
        if not isinstance(dictionaries, dict):
            raise TypeError(
                f"dictionaries is {type(dictionaries).__name__}; pass a dict that maps names to "
                f"dictionaries"
            )
        names = list(dictionaries)
        if len(names) < 2:
            raise ValueError(f"dictionaries has length {len(names)}; pass at least two to compare")
        values, random = np.eye(len(names)), np.full((len(names),) * 2, np.nan)
        for i, first in enumerate(names):
            for j in range(i + 1, len(names)):
                found = dictionary_similarity(
                    dictionaries[first],
                    dictionaries[names[j]],
                    threshold=threshold,
                    random_state=random_state,
                )
                values[i, j] = found[measure]
                values[j, i] = found.get(f"{measure}_back", found[measure])
                if measure == "mmcs":
                    random[i, j], random[j, i] = found["mmcs_random"], found["mmcs_random_back"]
        return cls(names, values, random if measure == "mmcs" else None, measure=measure)

    def plot(self, ax=None, *, cmap="cividis", colorbar=True):
        """Plot the heat map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        cmap : str or matplotlib Colormap, default="cividis"
            Colormap for values from 0 to 1.
        colorbar : bool, default=True
            If True, add a colour bar.

        Returns
        -------
        DictionarySimilarityDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        ax = axes_of(ax, type(self).__name__)
        image = ax.imshow(self.values, vmin=min(0, self.values.min()), vmax=1, cmap=cmap)
        for (i, j), value in np.ndenumerate(self.values):
            text = f"{value:.2f}"
            if self.random is not None and i != j:
                text += f"\n({self.random[i, j]:.2f})"
            shade = "black" if value > 0.55 else "white"
            ax.text(j, i, text, ha="center", va="center", color=shade, fontsize="small")
        labels = [str(name).replace("$", r"\$") for name in self.names]
        ax.set_xticks(range(len(labels)), labels, rotation=30, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(labels)), labels)
        ax.set_xlabel("Matched in")
        ax.set_ylabel("Features of")
        if colorbar:
            ax.figure.colorbar(image, ax=ax, label=LABELS[self.measure])
        if self.random is not None:
            ax.set_title("In parentheses: chance level", fontsize="medium")
        self.ax_, self.figure_ = ax, ax.figure
        return self
