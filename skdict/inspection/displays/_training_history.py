"""Plot measures over the course of training."""

import numpy as np

from skdict.inspection.displays._axes import COLORS, axes_of, pyplot

LABELS = {
    "loss": "Loss",
    "fvu": "FVU",
    "l0": "L0 (active\ncodes per row)",
    "n_dead": "Dead features",
    "alpha": "Alpha",
    "n_resampled": "Features\nresampled",
}


class TrainingHistoryDisplay:
    """Plot of training measures against the step, in one panel per measure.

    Parameters
    ----------
    history : list of dict
        Entries with `step` and measures over the rows trained on since the previous entry, such
        as `history_` of `SparseDictionaryAutoencoder`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Outer axes that contain the panels.
    axes_ : ndarray of matplotlib Axes
        One panel per measure.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    Examples
    --------
    >>> from skdict.inspection import TrainingHistoryDisplay
    >>> display = TrainingHistoryDisplay([{"step": 10, "fvu": 0.3}, {"step": 20, "fvu": 0.2}])
    >>> [entry["fvu"] for entry in display.history]
    [0.3, 0.2]
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, dictionary, *, ax=None, **plot_options):
        """Plot the training history of a fitted dictionary.

        Parameters
        ----------
        dictionary : SparseDictionaryAutoencoder
            Fitted dictionary, or a Pipeline that ends in one.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        **plot_options : dict
            Keyword arguments passed to `plot`.

        Returns
        -------
        TrainingHistoryDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If the dictionary has no history.
        ImportError
            If matplotlib is missing.
        """
        last = dictionary[-1] if hasattr(dictionary, "steps") else dictionary
        if not getattr(last, "history_", None):
            raise TypeError(
                f"{type(last).__name__} has no history_; pass a fitted SparseDictionaryAutoencoder"
            )
        return cls(last.history_).plot(ax, **plot_options)

    def plot(self, ax=None, *, measures=("fvu", "l0", "n_dead"), **line_options):
        """Plot the measures, one panel above the other.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes whose area the panels share; None creates a new figure.
        measures : sequence of str, default=("fvu", "l0", "n_dead")
            Keys of the history to plot.
        **line_options : dict
            Keyword arguments passed to `plot` of each panel.

        Returns
        -------
        TrainingHistoryDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the history does not contain a measure.
        ImportError
            If matplotlib is missing.
        """
        known = [key for key in self.history[0] if key != "step"]
        wrong = [name for name in measures if name not in known]
        if wrong or not len(measures):
            raise ValueError(
                f"measures={list(measures)!r}; pass at least one of {', '.join(map(repr, known))}"
            )
        name = type(self).__name__
        if ax is None:
            size = (6.4, 1.2 + 1.4 * len(measures))
            ax = pyplot(name).subplots(figsize=size, layout="constrained")[1]
        ax = axes_of(ax, name)
        # The given axes only reserve the area, as in scikit-learn's displays with several axes.
        ax.set_axis_off()
        grid = ax.get_subplotspec().subgridspec(len(measures), 1)
        axes = grid.subplots(sharex=True, squeeze=False)[:, 0]
        steps = [entry["step"] for entry in self.history]
        for i, (panel, measure) in enumerate(zip(axes, measures, strict=True)):
            values = np.array([entry[measure] for entry in self.history], dtype=float)
            panel.plot(steps, values, **({"color": COLORS[i % len(COLORS)]} | line_options))
            panel.set_ylabel(LABELS.get(measure, measure))
            panel.set_ylim(bottom=min(0, np.nanmin(values)), top=None if values.any() else 1)
            panel.grid(alpha=0.3)
        axes[-1].set_xlabel("Step")
        axes[0].figure.align_ylabels(axes)
        self.ax_, self.axes_, self.figure_ = ax, axes, ax.figure
        return self
