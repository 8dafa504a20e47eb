"""All features of a dictionary on a plane, those that point alike near one another."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from skdict._validation import check_number, check_random_state
from skdict.decomposition import dictionary_atoms
from skdict.inspection.displays._axes import COLORS, axes_of, plain

PCA_COMPONENTS = 50
# Threads wait for one another longer than so few features take.
FEATURES_FOR_THREADS = 1000


class FeatureMapDisplay:
    """A map of the features: PCA, then t-SNE, of their unit atoms.

    Near points are features that point alike. Distances across the map, and the size of
    clusters, mean little.

    Parameters
    ----------
    positions : ndarray of shape (n_features, 2)
        Where each feature is drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What `plot` drew on.
    figure_ : matplotlib Figure
        The figure that it is of.

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
        """Lay the atoms of a dictionary out and draw.

        Parameters
        ----------
        dictionary : estimator
            Fitted; a Pipeline may end in one.
        perplexity : float, default=30.0
            Of t-SNE: about how many neighbours a feature has; at most a third of the features.
        random_state : int, RandomState instance or None, default=0
            Seed.
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.
        **plot_options : dict
            Passed to `plot`.

        Returns
        -------
        FeatureMapDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator is no dictionary.
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
        """Lay directions out.

        Parameters
        ----------
        directions : array-like of shape (n_features, width)
            One for each feature, of any length.
        perplexity : float, default=30.0
            Of t-SNE; at most a third of the features.
        random_state : int, RandomState instance or None, default=0
            Seed.

        Returns
        -------
        FeatureMapDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If there are fewer than 4 features.
        """
        check_number("perplexity", perplexity, above=0)
        unit = normalize(np.asarray(directions, dtype=np.float64))
        if len(unit) < 4:
            raise ValueError(f"{len(unit)} features are no map; pass at least 4")
        seeds = check_random_state(random_state)
        n_components = min(PCA_COMPONENTS, *unit.shape)
        reduced = PCA(n_components, random_state=seeds).fit_transform(unit)
        tsne = TSNE(
            perplexity=min(perplexity, (len(unit) - 1) / 3), metric="cosine", random_state=seeds
        )
        with threadpool_limits(1 if len(unit) < FEATURES_FOR_THREADS else None):
            return cls(tsne.fit_transform(reduced.astype(np.float32)))

    def plot(self, ax=None, *, values=None, label=None, names=None, log=False, **scatter_options):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.
        values : array-like of shape (n_features,) or None, default=None
            What features are coloured by, such as their density; grey where it is nan.
        label : str or None, default=None
            What the values are, beside the scale of colours.
        names : dict of int to str or None, default=None
            What some features are called on the map.
        log : bool, default=False
            Whether the scale of colours is logarithmic; values of 0 or less are then grey.
        **scatter_options : dict
            Passed to `ax.scatter`.

        Returns
        -------
        FeatureMapDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there is not one value for each feature.
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
        ax.set_xlabel("t-SNE of the features' directions: near ones point alike")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _scatter(self, ax, values, label, log, options):
        if values.shape != (len(self.positions),):
            raise ValueError(
                f"values has shape {values.shape}; pass one for each of the "
                f"{len(self.positions)} features"
            )
        shown = np.isfinite(values) & ((values > 0) | (not log))
        x, y = self.positions.T
        ax.scatter(x[~shown], y[~shown], **(options | {"color": "#CCCCCC"}))
        options = {"cmap": "viridis", "norm": "log" if log else None} | options
        points = ax.scatter(x[shown], y[shown], c=values[shown], **options)
        ax.figure.colorbar(points, ax=ax, label=label)
