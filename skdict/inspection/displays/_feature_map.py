"""Map the features of a dictionary onto a plane, with similar directions close together."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from skdict._validation import check_number, check_random_state
from skdict.decomposition import dictionary_atoms
from skdict.inspection.displays._axes import COLORS, axes_of, plain

PCA_COMPONENTS = 50
# With fewer features, synchronising threads takes longer than the computation.
FEATURES_FOR_THREADS = 1000


class FeatureMapDisplay:
    """Two-dimensional map of features: PCA followed by t-SNE of their unit decoder directions.

    Nearby points are features with similar directions. Distances across the map and the sizes of
    clusters are not meaningful.

    Parameters
    ----------
    positions : ndarray of shape (n_features, 2)
        Coordinates of each feature.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.inspection import FeatureMapDisplay
    >>> atoms = np.random.default_rng(0).standard_normal((30, 8))
    >>> FeatureMapDisplay.from_directions(atoms).positions.shape
    (30, 2)
    """

    def __init__(self, positions):
        self.positions = positions

    @classmethod
    def from_estimator(
        cls, dictionary, *, perplexity=30.0, random_state=0, ax=None, **plot_options
    ):
        """Compute the map of a dictionary's decoder directions and plot it.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary, or a Pipeline that ends in one.
        perplexity : float, default=30.0
            Perplexity of t-SNE, roughly the number of neighbours of each feature; capped at a
            third of the number of features.
        random_state : int, RandomState instance or None, default=0
            Seed for PCA and t-SNE. Pass an int for reproducible results across calls.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        **plot_options : dict
            Keyword arguments passed to `plot`.

        Returns
        -------
        FeatureMapDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If the estimator is not a dictionary.
        ValueError
            If there are fewer than 4 features.
        ImportError
            If matplotlib is missing.
        """
        atoms = dictionary_atoms(dictionary)
        display = cls.from_directions(atoms, perplexity=perplexity, random_state=random_state)
        return display.plot(ax, **plot_options)

    @classmethod
    def from_directions(cls, directions, *, perplexity=30.0, random_state=0):
        """Compute the map of given directions.

        Parameters
        ----------
        directions : array-like of shape (n_features, width)
            One direction per feature; norms are ignored.
        perplexity : float, default=30.0
            Perplexity of t-SNE, capped at a third of the number of features.
        random_state : int, RandomState instance or None, default=0
            Seed for PCA and t-SNE. Pass an int for reproducible results across calls.

        Returns
        -------
        FeatureMapDisplay
            Display; call `plot` to draw it.

        Raises
        ------
        ValueError
            If there are fewer than 4 features.
        """
        check_number("perplexity", perplexity, above=0)
        unit = normalize(np.asarray(directions, dtype=np.float64))
        if len(unit) < 4:
            raise ValueError(f"a map of {len(unit)} features is not possible; pass at least 4")
        seeds = check_random_state(random_state)
        n_components = min(PCA_COMPONENTS, *unit.shape)
        reduced = PCA(n_components, random_state=seeds).fit_transform(unit)
        tsne = TSNE(
            perplexity=min(perplexity, (len(unit) - 1) / 3), metric="cosine", random_state=seeds
        )
        with threadpool_limits(1 if len(unit) < FEATURES_FOR_THREADS else None):
            return cls(tsne.fit_transform(reduced.astype(np.float32)))

    def plot(self, ax=None, *, values=None, label=None, names=None, log=False, **scatter_options):
        """Plot the map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        values : array-like of shape (n_features,) or None, default=None
            Values that colour the features, such as their density; nan is shown in grey.
        label : str or None, default=None
            Label of the colour bar.
        names : dict of int to str or None, default=None
            Labels of selected features on the map.
        log : bool, default=False
            If True, use a logarithmic colour scale and show values of 0 or less in grey.
        **scatter_options : dict
            Keyword arguments passed to `ax.scatter`.

        Returns
        -------
        FeatureMapDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the number of values differs from the number of features.
        ImportError
            If matplotlib is missing.
        """
        ax = axes_of(ax, type(self).__name__)
        x, y = self.positions.T
        options = {"s": 14, "linewidths": 0} | scatter_options
        if values is None:
            ax.scatter(x, y, **({"color": COLORS[0]} | options))
        else:
            self._scatter(ax, np.asarray(values, dtype=float), label, log, options)
        for feature, name in (names or {}).items():
            ax.annotate(
                plain(name),
                self.positions[feature],
                xytext=(5, 5),
                textcoords="offset points",
                fontsize="small",
                bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.7},
            )
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.set_xlabel("t-SNE of decoder directions: nearby features are similar")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _scatter(self, ax, values, label, log, options):
        if values.shape != (len(self.positions),):
            raise ValueError(
                f"values has shape {values.shape}; pass one value for each of the "
                f"{len(self.positions)} features"
            )
        shown = np.isfinite(values) & ((values > 0) | (not log))
        x, y = self.positions.T
        ax.scatter(x[~shown], y[~shown], **(options | {"color": "#CCCCCC"}))
        options = {"cmap": "viridis", "norm": "log" if log else None} | options
        points = ax.scatter(x[shown], y[shown], c=values[shown], **options)
        ax.figure.colorbar(points, ax=ax, label=label)
