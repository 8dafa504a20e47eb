r"""JumpReLU: keep pre-activations above a learned threshold for each feature.

The jump of :math:`c = p \, H(p - \theta)` has no useful gradient with respect to the threshold, so
the gradient of a loss smoothed over a window of width :math:`\varepsilon` is used instead
(Rajamanoharan et al. 2024, arXiv:2407.14435). With :math:`K(t) = 1` for :math:`|t| < 1/2`, else 0,
and where :math:`p > 0`,

.. math::
    \frac{\partial c}{\partial \theta} = -\frac{\theta}{\varepsilon} K, \qquad
    \frac{\partial H}{\partial \theta} = -\frac{1}{\varepsilon} K, \qquad
    \frac{\partial c}{\partial p} = H, \qquad
    K = K\left( \frac{p - \theta}{\varepsilon} \right).

Entries inside the window contribute a gradient whether or not they fire.
"""

import torch

from skdict._core._nonlinearities.base import Nonlinearity

# Initial window widths and thresholds, in units of the spread of a feature's pre-activations;
# docs/defaults.rst describes the experiment.
BANDWIDTH, THRESHOLD = 0.5, 0.5
# The interquartile range of a normal distribution in standard deviations.
NORMAL_RANGE = 1.349


class JumpRelu(Nonlinearity):
    r"""c = p where p exceeds the feature's threshold, else 0."""

    penalty = "l0"

    def learned(self, n_components):
        """Return thresholds and the widths of their windows, which are not trained."""
        return {name: torch.zeros(n_components) for name in ("thresholds", "bandwidths")}

    def calibrate(self, tensors, sample):
        """Set thresholds and windows from the spread of pre-activations.

        Biases are raised by the thresholds, so the entries that were positive before now fire.
        """
        for part in torch.arange(len(tensors.bias)).split(1024):
            projections = sample @ tensors.encoder[part].T
            levels = torch.tensor([0.25, 0.75]).to(projections)
            quartiles = torch.quantile(projections[:4096], levels, dim=0)
            spread = (quartiles[1] - quartiles[0]) / NORMAL_RANGE
            tensors["thresholds"][part] = THRESHOLD * spread
            tensors["bandwidths"][part] = (BANDWIDTH * spread).clamp(min=1e-6)
        tensors["bias"].add_(tensors["thresholds"])

    def share_active(self, n_components):
        """Return None, because the penalty determines the fraction."""
        return None

    def feature_cutoff(self, tensors):
        """Return the lower ends of the windows, clipped at zero."""
        return (tensors["thresholds"] - tensors["bandwidths"] / 2).clamp_(min=0)

    def values(self, pre, learned, out=None):
        """Return the pre-activations above the thresholds."""
        open_ = pre > learned["thresholds"]
        return torch.mul(pre, open_, out=out)

    def backward(self, codes, slopes, learned, gates):
        """Pass gradients through where codes fire, and to thresholds inside the windows.

        Parameters
        ----------
        codes, slopes, learned
            See `Nonlinearity.backward`.
        gates : torch.Tensor
            Gradient of the loss with respect to H, broadcastable to the entries.
        """
        thresholds, bandwidths = learned["thresholds"], learned["bandwidths"]
        inside = ((codes.pre - thresholds).abs() < bandwidths / 2) & (codes.pre > 0)
        along = torch.where(inside, -(thresholds * slopes + gates) / bandwidths, 0)
        return slopes.masked_fill_(codes.values == 0, 0), {"thresholds": along}

    def project(self, tensors):
        """Clip thresholds at zero."""
        tensors["thresholds"].clamp_(min=0)

    def frozen(self, tensors, rows):
        """Return the thresholds."""
        return {"thresholds": tensors["thresholds"]}
