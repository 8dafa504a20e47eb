"""Plot the trade-off between sparsity and reconstruction along a path."""

import numpy as np

from skdict._validation import check_choice
from skdict.inspection.displays._axes import COLORS, axes_of, plain

MOST_LABELS = 6


class AlphaPathDisplay:
    """Plot of fraction of variance unexplained (FVU) against L0 for the dictionaries of a path.

    Parameters
    ----------
    alpha : array-like of shape (n_alphas,)
        Weights of the L1 penalty, used to label the points. If all are zero, points have no
        labels.
    l0 : array-like of shape (n_alphas,)
        Mean number of active codes per row.
    fvu : array-like of shape (n_alphas,)
        Fraction of variance unexplained.
    name : str or None, default=None
        Name in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    Notes
    -----
    Cunningham et al. (2023) use 16 alphas in geometric progression from 1e-4 to 1e-2, with a loss
    that averages over the width. The equivalent values here are
    ``np.logspace(-4, -2, 16) * width``.

    Examples
    --------
    >>> from skdict.inspection import AlphaPathDisplay
    >>> display = AlphaPathDisplay([0.1, 0.2], l0=[20, 9], fvu=[0.1, 0.2])
    >>> display.l0.tolist()
    [20, 9]
    """

    def __init__(self, alpha, l0, fvu, *, name=None):
        self.alpha = np.asarray(alpha)
        self.l0 = np.asarray(l0)
        self.fvu = np.asarray(fvu)
        self.name = name

    @classmethod
    def from_path(cls, path, X, *, name=None, ax=None, **plot_options):
        """Evaluate the dictionaries of a path on rows and plot them.

        Parameters
        ----------
        path : SparseDictionaryPath
            Path returned by `sparse_dictionary_path`.
        X : array-like of shape (n_samples, n_features)
            Rows to evaluate on, usually held out.
        name : str or None, default=None
            Name in the legend.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        **plot_options : dict
            Keyword arguments passed to `plot`.

        Returns
        -------
        AlphaPathDisplay
            Display with the plot.

        Raises
        ------
        ValueError
            If the rows do not have the width of the dictionaries, or do not vary.
        ImportError
            If matplotlib is missing.
        """
        measures = path.measure(X)
        display = cls(measures["alpha"], measures["l0"], measures["fvu"], name=name)
        return display.plot(ax, **plot_options)

    def plot(self, ax=None, *, xscale="log", **line_options):
        """Plot FVU against L0.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure. Several paths can share one Axes.
        xscale : {"log", "linear"}, default="log"
            Scale of the L0 axis. The logarithmic scale omits points without active codes.
        **line_options : dict
            Keyword arguments passed to `ax.plot`.

        Returns
        -------
        AlphaPathDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `xscale` is not supported.
        ImportError
            If matplotlib is missing.
        """
        check_choice("xscale", xscale, ("log", "linear"))
        ax = axes_of(ax, type(self).__name__)
        color = COLORS[len(ax.lines) % len(COLORS)]
        options = {"marker": "o", "markersize": 4, "color": color}
        if self.name is not None:
            options["label"] = plain(self.name)
        shown = self.l0 > 0 if xscale == "log" else np.ones(len(self.l0), dtype=bool)
        (line,) = ax.plot(self.l0[shown], self.fvu[shown], **(options | line_options))
        if self.alpha.any():
            self._label_points(ax, shown, line.get_color())
        ax.set_xscale(xscale)
        if xscale == "log":
            # Label 1, 2, 5, 10, ... with plain numbers; minor tick labels would overlap.
            ax.xaxis.get_major_locator().set_params(subs=(1, 2, 5))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.minorticks_off()
        ax.margins(x=0.1, y=0.1)
        ax.set_ylim(bottom=0, auto=True)
        ax.set_xlabel("L0 (active codes per row)")
        ax.set_ylabel("Fraction of variance unexplained (FVU)")
        ax.grid(alpha=0.3, which="both")
        if self.name is not None:
            ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label_points(self, ax, shown, color):
        """Label some points with alpha, and explain the labels in the title."""
        labelled = np.linspace(0, shown.sum() - 1, MOST_LABELS)
        for i in np.unique(np.round(labelled).astype(int)):
            ax.annotate(
                f"{self.alpha[shown][i]:.2g}",
                (self.l0[shown][i], self.fvu[shown][i]),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize="small",
                color=color,
            )
        ax.set_title("Point labels: alpha", fontsize="medium")
