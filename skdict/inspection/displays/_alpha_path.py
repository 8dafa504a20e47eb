"""What sparsity costs, along a path."""

import numpy as np

from skdict._validation import check_choice
from skdict.inspection.displays._axes import COLORS, axes_of, plain

MOST_LABELS = 6


class AlphaPathDisplay:
    """Fraction of variance unexplained against L0, one point for each dictionary of a path.

    Parameters
    ----------
    alpha : array-like of shape (n_alphas,)
        Weights of the L1 penalty, which label the points; zeros where there is none, and points
        then have no label.
    l0 : array-like of shape (n_alphas,)
        Active codes a row.
    fvu : array-like of shape (n_alphas,)
        Fraction of variance unexplained.
    name : str or None, default=None
        Name in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What `plot` drew on.
    figure_ : matplotlib Figure
        The figure that it is of.

    Notes
    -----
    Cunningham et al. (2023) took 16 alphas in geometric progression from 1e-4 to 1e-2 of a loss
    that averages over the width; ``np.logspace(-4, -2, 16) * width`` are those alphas here.

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
        """Measure a path on rows and draw.

        Parameters
        ----------
        path : SparseDictionaryPath
            What `sparse_dictionary_path` returns.
        X : array-like of shape (n_samples, n_features)
            Rows, held out as a rule.
        name : str or None, default=None
            Name in the legend.
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.
        **plot_options : dict
            Passed to `plot`.

        Returns
        -------
        AlphaPathDisplay
            The display.

        Raises
        ------
        ValueError
            If the rows have another width than the dictionaries, or do not vary.
        ImportError
            If matplotlib is missing.
        """
        measures = path.measure(X)
        display = cls(measures["alpha"], measures["l0"], measures["fvu"], name=name)
        return display.plot(ax, **plot_options)

    def plot(self, ax=None, *, xscale="log", **line_options):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure. Several paths may share one.
        xscale : {"log", "linear"}, default="log"
            Scale of L0. On the logarithmic one a point with no active code is left out.
        **line_options : dict
            Passed to `ax.plot`.

        Returns
        -------
        AlphaPathDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the scale is neither.
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
            # Plain numbers at 1, 2, 5, 10, ...: powers of ten in between run into each other.
            ax.xaxis.get_major_locator().set_params(subs=(1, 2, 5))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.minorticks_off()
        ax.margins(x=0.1, y=0.1)
        ax.set_ylim(bottom=0, auto=True)
        ax.set_xlabel("L0: active codes a row")
        ax.set_ylabel("Fraction of variance unexplained")
        ax.grid(alpha=0.3, which="both")
        if self.name is not None:
            ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label_points(self, ax, shown, color):
        """Write alpha beside some points, and say so."""
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
        ax.set_title("Points are labelled by alpha", fontsize="medium")
