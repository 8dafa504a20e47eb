"""How often features fire."""

import numpy as np

from skdict._core import iter_blocks
from skdict._validation import as_rows, check_number
from skdict.decomposition import check_is_dictionary, firing_counts
from skdict.inspection.displays._axes import COLORS, GREY, axes_of, plain


class FeatureDensityDisplay:
    """Histogram of the share of rows that each feature fires on.

    Parameters
    ----------
    density : ndarray of shape (n_features,)
        Share of rows that each feature fires on.
    n_rows : int
        Rows that they are shares of.
    name : str or None, default=None
        Name in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What `plot` drew on.
    figure_ : matplotlib Figure
        The figure that it is of.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.inspection import FeatureDensityDisplay
    >>> display = FeatureDensityDisplay.from_codes([[0, 1.0], [0, 0], [0, 2.0], [0, 3.0]])
    >>> display.density.tolist()
    [0.0, 0.75]
    """

    def __init__(self, density, n_rows, *, name=None):
        self.density = density
        self.n_rows = n_rows
        self.name = name

    @classmethod
    def from_estimator(cls, dictionary, X, *, name=None, ax=None, **plot_options):
        """Encode rows block by block and draw.

        Parameters
        ----------
        dictionary : estimator
            Fitted; a Pipeline may end in one.
        X : array-like of shape (n_samples, n_features)
            Rows.
        name : str or None, default=None
            Name in the legend; None for that of the class.
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.
        **plot_options : dict
            Passed to `plot`.

        Returns
        -------
        FeatureDensityDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator is no dictionary.
        ImportError
            If matplotlib is missing.
        """
        last = check_is_dictionary(dictionary)
        X = as_rows(X)
        counts = sum(firing_counts(dictionary.transform(block))[0] for _, block in iter_blocks(X))
        name = type(last).__name__ if name is None else name
        return cls(counts / len(X), len(X), name=name).plot(ax, **plot_options)

    @classmethod
    def from_codes(cls, codes, *, name=None):
        """Take codes at hand; any that are not zero count as firing.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_samples, n_features)
            Codes.
        name : str or None, default=None
            Name in the legend.

        Returns
        -------
        FeatureDensityDisplay
            The display, not drawn yet.
        """
        counts, n_rows = firing_counts(codes)
        return cls(counts / n_rows, n_rows, name=name)

    @classmethod
    def from_statistics(cls, statistics, *, name=None):
        """Take what was counted already; positive codes count as firing.

        Parameters
        ----------
        statistics : FeatureStatistics
            Of the features.
        name : str or None, default=None
            Name in the legend.

        Returns
        -------
        FeatureDensityDisplay
            The display, not drawn yet.
        """
        return cls(statistics.density_, statistics.n_tokens_, name=name)

    def plot(self, ax=None, *, n_bins=40, dense=0.1, **hist_options):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.
        n_bins : int, default=40
            Bins, of equal width on the logarithmic axis.
        dense : float or None, default=0.1
            Where a line is drawn above which features are called dense; None for no line.
        **hist_options : dict
            Passed to `ax.hist`.

        Returns
        -------
        FeatureDensityDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        check_number("n_bins", n_bins, low=1, integer=True)
        ax = axes_of(ax, type(self).__name__)
        alive = self.density[self.density > 0]
        n_dead = len(self.density) - len(alive)
        label = f"{len(self.density):,} features, {n_dead:,} of them dead"
        label = label if self.name is None else f"{plain(self.name)}: {label}"
        # A single firing of all rows has a bin of its own to stand in.
        bins = np.geomspace(0.5 / self.n_rows, 1, n_bins + 1)
        options = {"color": COLORS[0], "edgecolor": "white", "linewidth": 0.5, "label": label}
        ax.hist(alive, bins=bins, **(options | hist_options))
        if dense is not None:
            n_dense = int((self.density > dense).sum())
            ax.axvline(
                dense, color=GREY, linestyle="--", linewidth=1, label=f"{n_dense:,} above {dense:g}"
            )
        ax.set_xscale("log")
        ax.set_xlabel(f"Density: share of {self.n_rows:,} rows that a feature fires on")
        ax.set_ylabel("Number of features")
        # Above the axes, where neither bars nor the line run through it.
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
