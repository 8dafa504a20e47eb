"""Plot how many features must be patched to change a behaviour."""

from skdict._validation import check_choice
from skdict.inspection.displays._axes import COLORS, GREY, axes_of, plain

X_LABELS = {
    "n_patched": "Number of features patched",
    "edit_magnitude": "Edit magnitude (in units of the activations)",
    "relative_edit_magnitude": "Edit magnitude (relative to replacing all activations)",
}
Y_LABELS = {
    "kl": "KL(patched || target) (nats)",
    "reverse_kl": "KL(target || patched) (nats)",
    "logit_diff": "Log-probability: correct minus wrong (nats)",
}


class PatchingCurveDisplay:
    """Plot of the distance from the target behaviour against the size of the patch.

    Parameters
    ----------
    curves : dict of str to Bunch
        Curve of each method, as returned by `skdict.interventions.patching_curve`, or any mapping
        with the columns to plot.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    Examples
    --------
    >>> from skdict.inspection import PatchingCurveDisplay
    >>> curve = {"n_patched": [0, 1, 2], "kl": [2.0, 0.5, 0.1]}
    >>> sorted(PatchingCurveDisplay.from_curves({"sae": curve}).curves)
    ['sae']
    """

    def __init__(self, curves):
        self.curves = curves

    @classmethod
    def from_curves(cls, curves):
        """Create a display from the results of `patching_curve`.

        Parameters
        ----------
        curves : Bunch or dict of str to Bunch
            One curve, or one per method.

        Returns
        -------
        PatchingCurveDisplay
            Display; call `plot` to draw it.

        Raises
        ------
        TypeError
            If `curves` contains anything other than curves.
        """
        curves = {"": curves} if "n_patched" in curves else dict(curves)
        wrong = [name for name, curve in curves.items() if "n_patched" not in curve]
        if wrong:
            raise TypeError(
                f"not a patching curve: {', '.join(map(repr, wrong))}; pass a result of "
                f"patching_curve, or a dict that maps method names to such results"
            )
        return cls(curves)

    def plot(self, ax=None, *, x="n_patched", y="kl", **line_options):
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None creates a new figure.
        x : {"n_patched", "edit_magnitude", "relative_edit_magnitude"}, default="n_patched"
            Column on the horizontal axis.
        y : {"kl", "reverse_kl", "logit_diff"}, default="kl"
            Column on the vertical axis.
        **line_options : dict
            Keyword arguments passed to `ax.plot`.

        Returns
        -------
        PatchingCurveDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the column is not supported.
        ImportError
            If matplotlib is missing.
        """
        check_choice("x", x, tuple(X_LABELS))
        check_choice("y", y, tuple(Y_LABELS))
        ax = axes_of(ax, type(self).__name__)
        for i, (name, curve) in enumerate(self.curves.items()):
            options = {"color": COLORS[i % len(COLORS)], "marker": "o", "markersize": 3}
            # Once the colours are used up, line styles distinguish the curves.
            options["linestyle"] = ("-", "--", ":", "-.")[i // len(COLORS) % 4]
            label = {"label": plain(name)} if name else {}
            ax.plot(curve[x], curve[y], **(options | label | line_options))
        if x == "n_patched":
            # Symlog includes zero and spans from one to thousands of features.
            ax.set_xscale("symlog", base=2, linthresh=1)
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        if y == "logit_diff":
            ax.axhline(0, color=GREY, linewidth=0.8)
        else:
            ax.set_ylim(bottom=0, auto=True)
        ax.set_xlabel(X_LABELS[x])
        ax.set_ylabel(Y_LABELS[y])
        ax.grid(alpha=0.3)
        if any(self.curves):
            ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
