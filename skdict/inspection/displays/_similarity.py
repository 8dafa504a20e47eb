"""How alike several dictionaries are."""

import numpy as np

from skdict._validation import check_choice
from skdict.inspection.displays._axes import axes_of
from skdict.metrics import dictionary_similarity

LABELS = {
    "mmcs": "Mean best cosine of the row's features",
    "shared": "Share of the row's features that have a like",
}


class DictionarySimilarityDisplay:
    """How well the features of each dictionary are found in each other, as a table of colours.

    Parameters
    ----------
    names : list of str
        Names of the dictionaries.
    values : ndarray of shape (n_dictionaries, n_dictionaries)
        How well the features of row i are found in dictionary j; not symmetric.
    random : ndarray of shape (n_dictionaries, n_dictionaries) or None
        What as many random directions in place of row i would give.
    measure : {"mmcs", "shared"}, default="mmcs"
        What the values are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What `plot` drew on.
    figure_ : matplotlib Figure
        The figure that it is of.

    See Also
    --------
    skdict.metrics.dictionary_similarity : The numbers of one pair.

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
        """Compare each two dictionaries.

        Parameters
        ----------
        dictionaries : dict of str to estimator or array-like
            Fitted dictionaries of one width, or their directions.
        measure : {"mmcs", "shared"}, default="mmcs"
            The mean over features of the best cosine, or the share of features whose best cosine
            reaches the threshold.
        threshold : float, default=0.9
            Cosine from which two directions count as one.
        random_state : int, RandomState instance or None, default=0
            Seed of the random directions.

        Returns
        -------
        DictionarySimilarityDisplay
            The display, not drawn yet.

        Raises
        ------
        TypeError
            If `dictionaries` is no dict, or holds something else than dictionaries.
        ValueError
            If there are fewer than two, or their widths differ.
        """
        check_choice("measure", measure, tuple(LABELS))
        if not isinstance(dictionaries, dict):
            raise TypeError(
                f"dictionaries is {type(dictionaries).__name__}; pass a dict of names to "
                f"dictionaries"
            )
        names = list(dictionaries)
        if len(names) < 2:
            raise ValueError(f"{len(names)} dictionary given; pass at least two to compare")
        values, random = np.eye(len(names)), np.full((len(names),) * 2, np.nan)
        for i, first in enumerate(names):
            for j in range(i + 1, len(names)):
                found = dictionary_similarity(
                    dictionaries[first],
                    dictionaries[names[j]],
                    threshold=threshold,
                    random_state=random_state,
                )
                values[i, j], values[j, i] = found[measure], found[f"{measure}_back"]
                if measure == "mmcs":
                    random[i, j], random[j, i] = found["mmcs_random"], found["mmcs_random_back"]
        return cls(names, values, random if measure == "mmcs" else None, measure=measure)

    def plot(self, ax=None, *, cmap="cividis", colorbar=True):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.
        cmap : str or matplotlib Colormap, default="cividis"
            Colours from 0 to 1.
        colorbar : bool, default=True
            Whether the scale of colours is drawn.

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
        ax.set_xlabel("Where they are looked for")
        ax.set_ylabel("Whose features")
        if colorbar:
            ax.figure.colorbar(image, ax=ax, label=LABELS[self.measure])
        if self.random is not None:
            ax.set_title("In brackets: by chance", fontsize="medium")
        self.ax_, self.figure_ = ax, ax.figure
        return self
