"""How many features have to be patched to carry a behaviour over."""

from skdict._validation import check_choice
from skdict.inspection.displays._axes import COLORS, GREY, axes_of, plain

X_LABELS = {
    "n_patched": "Number of features patched",
    "edit_magnitude": "Length of the edit, in units of the activations",
    "relative_edit_magnitude": "Length of the edit, relative to exchanging all",
}
Y_LABELS = {
    "kl": "KL(patched || target), nats",
    "reverse_kl": "KL(target || patched), nats",
    "logit_diff": "Log probability: right answer less wrong, nats",
}


class PatchingCurveDisplay:
    """Distance from the target behaviour against what was patched.

    Parameters
    ----------
    curves : dict of str to Bunch
        For each method what `skdict.interventions.patching_curve` returned, or any mapping with
        the columns drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What `plot` drew on.
    figure_ : matplotlib Figure
        The figure that it is of.

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
        """Take what `patching_curve` returned.

        Parameters
        ----------
        curves : Bunch or dict of str to Bunch
            One curve, or one for each method.

        Returns
        -------
        PatchingCurveDisplay
            The display, not drawn yet.

        Raises
        ------
        TypeError
            If there is something else than curves.
        """
        curves = {"": curves} if "n_patched" in curves else dict(curves)
        wrong = [name for name, curve in curves.items() if "n_patched" not in curve]
        if wrong:
            raise TypeError(
                f"{', '.join(map(repr, wrong))} are no curves; pass what patching_curve returns, "
                f"or a dict of names to such curves"
            )
        return cls(curves)

    def plot(self, ax=None, *, x="n_patched", y="kl", **line_options):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.
        x : {"n_patched", "edit_magnitude", "relative_edit_magnitude"}, default="n_patched"
            What is on the horizontal axis.
        y : {"kl", "reverse_kl", "logit_diff"}, default="kl"
            What is on the vertical axis.
        **line_options : dict
            Passed to `ax.plot`.

        Returns
        -------
        PatchingCurveDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there is no such column.
        ImportError
            If matplotlib is missing.
        """
        check_choice("x", x, tuple(X_LABELS))
        check_choice("y", y, tuple(Y_LABELS))
        ax = axes_of(ax, type(self).__name__)
        for i, (name, curve) in enumerate(self.curves.items()):
            options = {"color": COLORS[i % len(COLORS)], "marker": "o", "markersize": 3}
            # Beyond the palette lines are told apart by how they are drawn.
            options["linestyle"] = ("-", "--", ":", "-.")[i // len(COLORS) % 4]
            label = {"label": plain(name)} if name else {}
            ax.plot(curve[x], curve[y], **(options | label | line_options))
        if x == "n_patched":
            # Zero stands on the axis, and one and a thousand features are both seen.
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
