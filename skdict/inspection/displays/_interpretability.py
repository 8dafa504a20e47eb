"""Plot the interpretability of several methods by layer."""

import numpy as np

from skdict.inspection.displays._axes import axes_of, plain, styles
from skdict.metrics import ComparisonTable


class InterpretabilityDisplay:
    """Plot of one measure for several methods and layers, with confidence intervals.

    Parameters
    ----------
    layers : list of str
        Names of the layers; a single empty name if methods are compared at one hook point only.
    methods : list of str
        Names of the methods.
    values : ndarray of shape (n_layers, n_methods)
        Values of the measure; nan where a method was not evaluated.
    low, high : ndarray of shape (n_layers, n_methods)
        Bounds of the confidence intervals; nan where there is no interval.
    measure : str
        Name of the measure.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    Examples
    --------
    >>> from skdict.inspection import InterpretabilityDisplay
    >>> from skdict.metrics import ComparisonTable
    >>> table = ComparisonTable([{"dictionary": "sae", "interpretability": 0.5}])
    >>> display = InterpretabilityDisplay.from_comparison({"layer 1": table})
    >>> display.methods, display.values.tolist()
    (['sae'], [[0.5]])
    """

    def __init__(self, layers, methods, values, low, high, *, measure):
        self.layers = layers
        self.methods = methods
        self.values = values
        self.low = low
        self.high = high
        self.measure = measure

    @classmethod
    def from_comparison(cls, tables, *, measure="interpretability"):
        """Collect a measure from the results of `compare_dictionaries`.

        Parameters
        ----------
        tables : ComparisonTable or dict of str to ComparisonTable
            One table, or one per layer. Columns named after the measure with the suffixes ``_low``
            and ``_high`` hold its confidence interval.
        measure : str, default="interpretability"
            Column of the tables.

        Returns
        -------
        InterpretabilityDisplay
            Display; call `plot` to draw it.

        Raises
        ------
        TypeError
            If `tables` is neither a `ComparisonTable` nor a dict of such tables.
        ValueError
            If no table has the measure.
        """
        tables = {"": tables} if isinstance(tables, ComparisonTable) else tables
        if not isinstance(tables, dict) or not all(
            isinstance(table, ComparisonTable) for table in tables.values()
        ):
            raise TypeError(
                f"tables is {type(tables).__name__}; pass a table returned by "
                f"compare_dictionaries, or a dict that maps layer names to such tables"
            )
        found = {
            layer: {_name(record): record for record in table.records}
            for layer, table in tables.items()
        }
        methods = list(dict.fromkeys(name for records in found.values() for name in records))
        if not any(measure in r for records in found.values() for r in records.values()):
            columns = sorted({key for t in tables.values() for r in t.records for key in r})
            raise ValueError(
                f"no table has a column {measure!r}; available columns are "
                f"{', '.join(columns)}. For interpretability, pass "
                f"scorers=[InterpretabilityScorer()] to compare_dictionaries"
            )
        values, low, high = (
            np.array(
                [[found[x].get(m, {}).get(measure + end, np.nan) for m in methods] for x in found]
            )
            for end in ("", "_low", "_high")
        )
        return cls([str(x) for x in found], methods, values, low, high, measure=measure)

    def plot(self, ax=None, **errorbar_options):
        """Plot the measure by method, or by layer and method.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        **errorbar_options : dict
            Keyword arguments passed to `ax.errorbar`.

        Returns
        -------
        InterpretabilityDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        ax = axes_of(ax, type(self).__name__)
        several = len(self.layers) > 1
        drawn = styles(len(self.methods))
        for j, (method, (color, marker)) in enumerate(zip(self.methods, drawn, strict=True)):
            # Methods are placed side by side so that their error bars do not overlap.
            off = 0.6 * (j - (len(self.methods) - 1) / 2) / max(len(self.methods), 1)
            x = np.arange(len(self.layers)) + off if several else np.array([j])
            y = self.values[:, j]
            bars = np.nan_to_num([y - self.low[:, j], self.high[:, j] - y])
            options = {"color": color, "marker": marker, "linestyle": "", "capsize": 3}
            ax.errorbar(x, y, bars, label=plain(method), **(options | errorbar_options))
        ticks = self.layers if several else self.methods
        ax.set_xticks(range(len(ticks)), [str(tick).replace("$", r"\$") for tick in ticks])
        ax.set_xlim(-0.5, len(ticks) - 0.5)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.grid(axis="y", alpha=0.3)
        ax.set_ylabel(plain(self.measure.replace("_", " ").capitalize()))
        if several:
            for x in range(1, len(ticks)):
                ax.axvline(x - 0.5, color="black", linewidth=0.5, alpha=0.15)
            ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        elif self.layers[0]:
            ax.set_title(plain(self.layers[0]), fontsize="medium")
        if np.isfinite(self.low).any():
            ax.set_xlabel("Error bars: 95 % confidence intervals", fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _name(record):
    name = str(record["dictionary"])
    return f"{name}, {record['n_active']} active" if "n_active" in record else name
