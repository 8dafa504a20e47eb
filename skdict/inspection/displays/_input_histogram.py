"""Plot the codes of a feature, split by token."""

import numpy as np

from skdict._validation import check_choice
from skdict.decomposition import check_is_dictionary
from skdict.inspection._case_studies import token_histogram
from skdict.inspection._checks import check_activations
from skdict.inspection.displays._axes import COLORS, GREY, as_label, axes_of


class InputHistogramDisplay:
    """Histogram of one feature's codes, with each bar split by token.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Bin edges, in units of the activations.
    counts : ndarray of shape (n_tokens + 1, n_bins)
        Number of firings on each token, with all other tokens in the last row.
    tokens : list of str
        Tokens counted individually.
    feature : int
        Feature shown in the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    References
    ----------
    Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find Highly
    Interpretable Features in Language Models", appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.inspection import InputHistogramDisplay
    >>> acts = Activations(
    ...     np.zeros((4, 2), "f"), documents=[0, 0, 0, 0], positions=[0, 1, 2, 3],
    ...     token_ids=[0, 1, 0, 2], vocabulary=["a", "b", "c"],
    ... )
    >>> codes = [[1.0], [2.0], [3.0], [5.0]]
    >>> display = InputHistogramDisplay.from_codes(codes, acts, 0, n_bins=2, n_tokens=1)
    >>> display.edges.tolist(), display.tokens, display.counts.tolist()
    ([1.0, 3.0, 5.0], ['a'], [[1, 1], [1, 1]])
    """

    def __init__(self, edges, counts, tokens, feature):
        self.edges = np.asarray(edges)
        self.counts = np.asarray(counts)
        self.tokens = tokens
        self.feature = feature

    @classmethod
    def from_estimator(
        cls, dictionary, activations, feature, *, n_bins=10, n_tokens=5, ax=None, **plot_options
    ):
        """Encode rows and plot the histogram of one feature.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary, or a Pipeline that ends in one.
        activations : Activations of shape (n_samples, width)
            Rows to encode.
        feature : int
            Feature to plot.
        n_bins : int, default=10
            Number of bins of equal width between the smallest and the largest positive code.
        n_tokens : int, default=5
            Maximum number of tokens counted individually: those on which the feature fires most
            often.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        **plot_options : dict
            Keyword arguments passed to `plot`.

        Returns
        -------
        InputHistogramDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If the estimator is not a dictionary, or `activations` is not an `Activations` object.
        ValueError
            If the feature does not exist or never fires.
        ImportError
            If matplotlib is missing.
        """
        check_is_dictionary(dictionary)
        codes = dictionary.transform(check_activations(activations))
        display = cls.from_codes(codes, activations, feature, n_bins=n_bins, n_tokens=n_tokens)
        return display.plot(ax, **plot_options)

    @classmethod
    def from_codes(cls, codes, activations, feature, *, n_bins=10, n_tokens=5):
        """Compute the histogram of one feature from codes in memory.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_samples, n_features)
            Codes of the activations.
        activations : Activations of shape (n_samples, width)
            Rows that were encoded.
        feature : int
            Column of the codes.
        n_bins : int, default=10
            Number of bins of equal width between the smallest and the largest positive code.
        n_tokens : int, default=5
            Maximum number of tokens counted individually: those on which the feature fires most
            often.

        Returns
        -------
        InputHistogramDisplay
            Display; call `plot` to draw it.

        Raises
        ------
        TypeError
            If `activations` is not an `Activations` object.
        ValueError
            If `codes` and `activations` have different numbers of rows, or the feature does not
            exist or never fires.
        """
        found = token_histogram(codes, activations, feature, n_bins=n_bins, n_tokens=n_tokens)
        return cls(*found, feature)

    def plot(self, ax=None, *, stat="count", **bar_options):
        """Plot the histogram.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        stat : {"count", "share"}, default="count"
            Height of the bars. "count" shows the number of firings. "share" gives all bars the
            same height, with the number of firings on top, so that the tokens of rare large codes
            remain visible.
        **bar_options : dict
            Keyword arguments passed to `ax.bar`.

        Returns
        -------
        InputHistogramDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `stat` is neither "count" nor "share".
        ImportError
            If matplotlib is missing.
        """
        check_choice("stat", stat, ("count", "share"))
        ax = axes_of(ax, type(self).__name__)
        totals = self.counts.sum(axis=0)
        heights = self.counts / np.maximum(totals, 1) if stat == "share" else self.counts
        names = [*map(as_label, self.tokens), "other tokens"]
        colors = [COLORS[i % len(COLORS)] for i in range(len(self.tokens))] + [GREY]
        base = np.zeros(heights.shape[1])
        for height, name, color in zip(heights, names, colors, strict=True):
            if height.any():
                options = {"color": color, "label": name, "edgecolor": "white", "linewidth": 0.5}
                widths = np.diff(self.edges)
                ax.bar(
                    self.edges[:-1], height, widths, base, align="edge", **(options | bar_options)
                )
                base = base + height
        if stat == "share":
            for left, right, total in zip(self.edges[:-1], self.edges[1:], totals, strict=True):
                ax.annotate(
                    _short(total), ((left + right) / 2, 1.01), ha="center", fontsize="xx-small"
                )
            ax.set_ylim(0, 1.08)
        ax.set_xlabel("Code (in units of the activations)")
        ax.set_ylabel("Number of tokens" if stat == "count" else "Share of tokens (count on top)")
        ax.set_title(f"Feature {self.feature}: tokens it fires on", fontsize="medium")
        ax.legend(frameon=False, **_legend_place(stat))
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _short(count):
    """Return a count in at most four characters below a million, as bars are narrow."""
    return f"{count / 1000:.0f}k" if count >= 10_000 else str(count)


def _legend_place(stat):
    # Bars of full height leave no space for a legend inside the axes.
    if stat == "share":
        return {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    return {"loc": "best"}
