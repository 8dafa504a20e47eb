"""Result of checking a dictionary on a model, and the verdict that follows from it."""

from dataclasses import dataclass, field

# L0 depends on the texts, but rarely by more.
L0_FACTOR = 1.5
# A dictionary that leaves more unexplained, or recovers less, does little more than the mean row.
MOST_FVU, LEAST_RECOVERED = 0.9, 0.1
# Codes of more features than this share are not sparse.
MOST_DENSE = 0.25


@dataclass(frozen=True)
class ModelCheck:
    """Measures of a dictionary on the activations of a model, and a verdict; `print` shows both.

    Parameters
    ----------
    n_rows : int
        Number of rows that codes were computed of.
    n_components : int
        Number of features.
    l0 : float
        Mean number of active codes per row.
    fvu, fvu_inliers : float
        Fraction of the variance unexplained, of all rows and without outlier rows; for a
        transcoder, of the targets.
    n_dead : int
        Number of features that fire on no row.
    loss : Bunch or None
        Result of `loss_recovered`; None for dictionaries that normalise each row.
    reported : dict
        Values that the publisher reports: `l0`, `n_dead`, as far as they are known.

    Attributes
    ----------
    problems : tuple of str
        Reasons to doubt that the files were understood, or that the hook point is the right one.
    verdict : {"suspect", "agrees with the publisher", "plausible"}
        "suspect" if there are problems, "plausible" if no L0 is reported to compare with.
    """

    n_rows: int
    n_components: int
    l0: float
    fvu: float
    fvu_inliers: float
    n_dead: int
    loss: object = field(repr=False)
    reported: dict

    @property
    def problems(self):
        """Reasons to doubt the dictionary."""
        return tuple(_problems(self))

    @property
    def verdict(self):
        """Summary of the problems and of the comparison with reported values."""
        if self.problems:
            return "suspect"
        return "agrees with the publisher" if "l0" in self.reported else "plausible"

    def __str__(self):
        lines = [f"{'':24}{'measured':>12}{'reported':>12}"]
        for name, value, reported in self._shown():
            lines.append(f"{name:24}{value:>12}{reported:>12}".rstrip())
        lines.append(f"verdict: {self.verdict}, on {self.n_rows:,} rows")
        return "\n".join([*lines, *(f"- {problem}" for problem in self.problems)])

    def _shown(self):
        """Yield the names, values and reported values of the table."""
        reported = {name: f"{value:,.5g}" for name, value in self.reported.items()}
        yield "L0", f"{self.l0:.4g}", reported.get("l0", "")
        yield "dead features", f"{self.n_dead:,}", reported.get("n_dead", "")
        yield "features", f"{self.n_components:,}", ""
        yield "FVU", f"{self.fvu:.4g}", ""
        if self.fvu_inliers != self.fvu:
            yield "FVU without outliers", f"{self.fvu_inliers:.4g}", ""
        if self.loss is not None:
            yield "loss recovered (mean)", f"{self.loss.loss_recovered_mean:.4g}", ""
            yield "loss recovered (zero)", f"{self.loss.loss_recovered_zero:.4g}", ""
            yield "cross-entropy increase", f"{self.loss.cross_entropy_increase:.4g}", ""


def _problems(check):
    expected = check.reported.get("l0")
    if check.l0 == 0:
        yield (
            "no feature fires: thresholds, encoder biases or the scale of the rows may be in other "
            "units"
        )
    elif expected and not expected / L0_FACTOR <= check.l0 <= expected * L0_FACTOR:
        yield (
            f"L0 is {check.l0:.4g}, but {expected:.4g} is reported: thresholds, biases or the "
            f"scale of the rows may be in other units, or the hook point another one"
        )
    elif not expected and check.l0 > MOST_DENSE * check.n_components:
        yield (
            f"{check.l0:.4g} of {check.n_components} features fire per row, which is not sparse: "
            f"thresholds may be missing or in other units"
        )
    if check.fvu_inliers > MOST_FVU:
        yield (
            f"FVU is {check.fvu_inliers:.4g}, and the mean row has 1: the encoder or the decoder "
            f"may be transposed or have another scale, or the rows come from another model or hook "
            f"point"
        )
    if check.loss is not None and check.loss.loss_recovered_mean < LEAST_RECOVERED:
        yield (
            f"predictions with reconstructions are hardly better than with the mean row: loss "
            f"recovered is {check.loss.loss_recovered_mean:.4g}"
        )
