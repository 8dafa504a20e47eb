"""Plot how many features persist, turn, vanish and appear from layer to layer."""

import numpy as np

from skdict.inspection.displays._axes import COLORS, axes_of, plain
from skdict.metrics import match_layers

# Kinds above the axis, from the axis up, and the one below it.
STYLES = {
    "persists": ("Persist (codes and direction)", COLORS[0]),
    "turns": ("Turn (codes, new direction)", COLORS[5]),
    "appears": ("Appear above", COLORS[2]),
    "vanishes": ("Vanish below", COLORS[1]),
}


class LayerFeaturesDisplay:
    """Bars of the features that persist, turn, appear and vanish between neighbouring layers.

    Parameters
    ----------
    matches : list of LayerMatch
        Matching of each layer with the next, as returned by `match_layers`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    See Also
    --------
    skdict.metrics.match_layers : Match features of layers by their codes and directions.
    skdict.decomposition.fit_layers : Fit dictionaries to a stack of layers.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.inspection import LayerFeaturesDisplay
    >>> rows = np.random.default_rng(0).exponential(size=(100, 3))
    >>> layers = {"low": rows, "high": rows}
    >>> neurons = {name: IdentityDictionary().fit(x) for name, x in layers.items()}
    >>> LayerFeaturesDisplay.from_estimators(neurons, layers).matches[0].counts()
    {'persists': 3, 'turns': 0, 'vanishes': 0, 'appears': 0}
    """

    def __init__(self, matches):
        self.matches = matches

    @classmethod
    def from_estimators(cls, dictionaries, layers, *, min_correlation=0.5, min_cosine=0.7):
        """Match the features of neighbouring layers.

        Parameters
        ----------
        dictionaries : dict of str to estimator
            Fitted dictionary of each layer, from the lowest.
        layers : dict of str to array-like of shape (n_samples, n_features)
            Rows of the same tokens at each layer.
        min_correlation : float, default=0.5
            Smallest correlation of the codes of a pair.
        min_cosine : float, default=0.7
            Smallest cosine of the decoder directions of a feature that persists.

        Returns
        -------
        LayerFeaturesDisplay
            Display; call `plot` to draw it.

        Raises
        ------
        TypeError
            See `match_layers`.
        ValueError
            See `match_layers`.
        """
        options = {"min_correlation": min_correlation, "min_cosine": min_cosine}
        return cls(match_layers(dictionaries, layers, **options))

    def plot(self, ax=None, **bar_options):
        """Plot one stacked bar per pair of layers; features that vanish point down.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        **bar_options : dict
            Keyword arguments passed to `bar`.

        Returns
        -------
        LayerFeaturesDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        ax = axes_of(ax, type(self).__name__)
        counts = [match.counts() for match in self.matches]
        places, height = np.arange(len(counts)), np.zeros(len(counts))
        for kind, (label, color) in STYLES.items():
            numbers = np.array([count[kind] for count in counts])
            options = {"width": 0.6, "color": color, "label": label} | bar_options
            if kind == "vanishes":
                ax.bar(places, -numbers, **options)
                continue
            ax.bar(places, numbers, bottom=height, **options)
            height = height + numbers
        ax.axhline(0, color="black", linewidth=0.8)
        labels = [f"{plain(match.below)}\nto\n{plain(match.above)}" for match in self.matches]
        ax.set_xticks(places, labels, fontsize="small")
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        ax.set_ylabel("Features")
        # From the top down, as the bars are stacked.
        handles, names = ax.get_legend_handles_labels()
        handles, names = [*handles[2::-1], handles[3]], [*names[2::-1], names[3]]
        place = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
        ax.legend(handles, names, fontsize="small", **place)
        self.ax_, self.figure_ = ax, ax.figure
        return self
