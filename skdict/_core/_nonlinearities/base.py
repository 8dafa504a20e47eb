"""What a nonlinearity has, with the defaults of one that computes all entries."""

import torch


class Nonlinearity:
    r"""From pre-activations :math:`p = (x - \mu) E^T + b` to codes, and back.

    Subclass it and pass an object as ``activation=`` of `SparseDictionaryAutoencoder`. Only
    `values`, `backward` and `frozen` must be written; training then goes over all entries. Learned
    tensors come broadcast over rows, or gathered to entries.

    Attributes
    ----------
    penalised : bool
        If True, codes are never negative and get sparse by alpha times their L1 norm, and
        `target_l0` steers alpha. If False, which is the default, there is no penalty.
    overwrites_pre : bool
        True if codes may take the room of pre-activations, which `backward` does not read.
    """

    penalised = False
    overwrites_pre = False

    def learned(self, n_components):
        """Return further tensors to train: a dict of name to (initial value, Spec)."""
        return {}

    def feature_cutoff(self, tensors):
        """Return the pre-activation of each feature (m,) up to which an entry carries nothing.

        That is, neither a value nor a gradient. Read only by what searches for entries.
        """
        return torch.zeros_like(tensors.bias)

    def share_active(self, n_components):
        """Return the share of entries that carry something: a number, or None to measure it.

        Where it is small, entries are found by `entries` in place of computing all.
        """
        return 1.0

    def select(self, pre, eligible, group):
        """Set the pre-activations (..., n, m) that are not selected to zero, in place.

        Parameters
        ----------
        pre : torch.Tensor of shape (..., n, m)
            Pre-activations of this process's rows.
        eligible : torch.Tensor of shape (n,), dtype bool
            Rows that a selection over the batch is made from: those that are no outliers.
        group : Alone or another group
            Processes that share the batch.
        """

    def entries(self, search, tensors):
        """Return the entries that carry something, as `Codes`, from a `Search`."""
        return search.above(self.feature_cutoff(tensors))

    def values(self, pre, learned, out=None):
        """Return codes for pre-activations of any shape; those of zero must be zero."""
        raise NotImplementedError

    def backward(self, codes, slopes, learned):
        """Return the slopes of the loss along pre-activations, and a dict along learned tensors.

        Parameters
        ----------
        codes : Codes or DenseCodes
            With `pre` and `values`.
        slopes : torch.Tensor
            Slopes along the values, of the same shape; may be changed in place. Where
            `select` set an entry to zero, the slope along it must become zero.
        learned : dict of str to torch.Tensor
            The learned tensors.
        """
        raise NotImplementedError

    def frozen(self, tensors, rows):
        """Return what codes at inference need beside directions and bias.

        Parameters
        ----------
        tensors : Tensors
            After training.
        rows : iterable of torch.Tensor of shape (n, d)
            Rows to calibrate with, centred and scaled, without outliers; read only if iterated.

        Returns
        -------
        dict
            Any of `thresholds` and `code_offsets` (m,), in units of pre-activations;
            `code_gains` (m,); `k`, to take the k largest pre-activations of a row, and
            `signed=True`, to take those of the largest absolute value.
        """
        raise NotImplementedError

    def stacked(self, several):
        """Return one nonlinearity for a stack of dictionaries that have `several`."""
        return self
