"""Plot how often features fire."""

import numpy as np

from skdict._core import iter_blocks
from skdict._validation import as_rows, check_number
from skdict.decomposition import check_is_dictionary, firing_counts
from skdict.inspection.displays._axes import COLORS, GREY, axes_of, plain


class FeatureDensityDisplay:
    """Histogram of feature densities, the fraction of rows on which each feature fires.

    Parameters
    ----------
    density : ndarray of shape (n_features,)
        Fraction of rows on which each feature fires.
    n_rows : int
        Number of rows that the densities were computed from.
    name : str or None, default=None
        Name in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure that contains the axes.

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
        """Encode rows block by block and plot the densities of the features.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary, or a Pipeline that ends in one.
        X : array-like of shape (n_samples, n_features)
            Rows to encode.
        name : str or None, default=None
            Name in the legend; None for the class name of the dictionary.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        **plot_options : dict
            Keyword arguments passed to `plot`.

        Returns
        -------
        FeatureDensityDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If the estimator is not a dictionary.
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
        """Compute densities from codes in memory; any non-zero code counts as firing.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_samples, n_features)
            Codes.
        name : str or None, default=None
            Name in the legend.

        Returns
        -------
        FeatureDensityDisplay
            Display; call `plot` to draw it.
        """
        counts, n_rows = firing_counts(codes)
        return cls(counts / n_rows, n_rows, name=name)

    @classmethod
    def from_statistics(cls, statistics, *, name=None):
        """Use the densities of existing statistics, in which positive codes count as firing.

        Parameters
        ----------
        statistics : FeatureStatistics
            Statistics of the features.
        name : str or None, default=None
            Name in the legend.

        Returns
        -------
        FeatureDensityDisplay
            Display; call `plot` to draw it.
        """
        return cls(statistics.density_, statistics.n_tokens_, name=name)

    def plot(self, ax=None, *, n_bins=40, dense=0.1, **hist_options):
        """Plot the histogram of densities.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        n_bins : int, default=40
            Number of bins, of equal width on the logarithmic axis.
        dense : float or None, default=0.1
            Density above which a feature counts as dense, marked by a vertical line; None for no
            line.
        **hist_options : dict
            Keyword arguments passed to `ax.hist`.

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
        label = f"{len(self.density):,} features, {n_dead:,} dead"
        label = label if self.name is None else f"{plain(self.name)}: {label}"
        # The axis starts at half a firing, so features that fire once fall inside a bin.
        bins = np.geomspace(0.5 / self.n_rows, 1, n_bins + 1)
        options = {"color": COLORS[0], "edgecolor": "white", "linewidth": 0.5, "label": label}
        ax.hist(alive, bins=bins, **(options | hist_options))
        if dense is not None:
            n_dense = int((self.density > dense).sum())
            ax.axvline(
                dense, color=GREY, linestyle="--", linewidth=1, label=f"{n_dense:,} above {dense:g}"
            )
        ax.set_xscale("log")
        ax.set_xlabel(f"Density (fraction of {self.n_rows:,} rows on which a feature fires)")
        ax.set_ylabel("Number of features")
        # Placed above the axes, where neither the bars nor the line cross it.
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
