"""What a nonlinearity has, with the defaults of one that computes all entries."""

import torch


class Nonlinearity:
    r"""From pre-activations :math:`p = (x - \mu) E^T + b` to codes, and back.

    Derive a class from it and pass an object of that as ``activation=`` of
    `SparseDictionaryAutoencoder`. Only `values`, `backward` and `frozen` must be written: each step
    then goes over all entries. Arrays are torch tensors; rows are centred and scaled.

    Attributes
    ----------
    penalty : {None, "l1", "l0"}
        What makes codes sparse. None, the default, for a selection. "l1": codes are never negative,
        and alpha times their sum is added to the loss; `target_l0` steers alpha. "l0": alpha times
        their number, or the squared relative distance of their mean number from `target_l0`;
        `backward` then gets one argument more, the slopes along whether an entry fires.
    calibrated : bool
        True if `frozen` reads rows, of which some are then held out from training. False by
        default.
    overwrites_pre : bool
        True if `backward` does not read pre-activations, so that codes may take their room. False
        by default.

    See Also
    --------
    SparseDictionaryAutoencoder : Takes one as `activation`.
    """

    penalty = None
    calibrated = False
    overwrites_pre = False

    def learned(self, n_components):
        """Return further tensors to train, one number per feature.

        Parameters
        ----------
        n_components : int
            Number of features m.

        Returns
        -------
        dict of str to torch.Tensor of shape (m,)
            Initial values by name, in units of pre-activations; none by default. The fitted
            estimator keeps them as attributes of these names with an underscore at the end.
        """
        return {}

    def calibrate(self, tensors, sample):
        """Set the learned tensors, and change the biases, in place.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            `components`, `encoder`, `bias` and the learned tensors; biases are calibrated already.
        sample : torch.Tensor of shape (n, d)
            Rows to train on.
        """

    def project(self, tensors):
        """Bring learned tensors back to where they may be, in place, after each step.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            As in `calibrate`.
        """

    def share_active(self, n_components):
        """Return the share of entries that carry a value or a gradient.

        Where it is small, `entries` finds these in place of a step over all entries.

        Parameters
        ----------
        n_components : int
            Number of features m.

        Returns
        -------
        float or None
            1 by default. None means that it is measured in training.
        """
        return 1.0

    def feature_cutoff(self, tensors):
        """Return the pre-activation of each feature up to which entries carry nothing.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            As in `calibrate`.

        Returns
        -------
        torch.Tensor of shape (m,)
            Zeros by default.
        """
        return torch.zeros_like(tensors["bias"])

    def select(self, pre, eligible, group):
        """Set the pre-activations that are not selected to zero, in place.

        Parameters
        ----------
        pre : torch.Tensor of shape (..., n, m)
            Pre-activations.
        eligible : torch.Tensor of shape (n,), dtype bool
            Rows that a selection over the batch is made from: those that are no outliers.
        group : object
            Processes that share the batch; `group.sum_` adds tensors up over them.
        """

    def entries(self, search, tensors):
        """Return the entries that carry something.

        Parameters
        ----------
        search : object
            Has `above`, `largest_of_rows` and `largest_of_batch`.
        tensors : mapping of str to torch.Tensor
            As in `calibrate`.

        Returns
        -------
        Codes
            By default those above `feature_cutoff`.
        """
        return search.above(self.feature_cutoff(tensors))

    def values(self, pre, learned, out=None):
        """Return codes for pre-activations.

        Parameters
        ----------
        pre : torch.Tensor
            Of any shape; those of zero, as `select` leaves them, must give codes of zero.
        learned : dict of str to torch.Tensor
            The learned tensors, which broadcast with `pre`.
        out : torch.Tensor, optional
            Where to write them.

        Returns
        -------
        torch.Tensor
            The codes.
        """
        raise NotImplementedError

    def backward(self, codes, slopes, learned):
        """Return how the loss changes with pre-activations and with the learned tensors.

        Parameters
        ----------
        codes : object
            With tensors `pre` and `values`.
        slopes : torch.Tensor
            Slopes of the loss along the values; may be changed in place.
        learned : dict of str to torch.Tensor
            As in `values`.

        Returns
        -------
        (torch.Tensor, dict of str to torch.Tensor)
            Slopes along pre-activations, zero wherever `select` has set them to zero; and along
            the learned tensors, entry by entry.
        """
        raise NotImplementedError

    def frozen(self, tensors, rows):
        """Return what codes after training need beside directions and bias.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            As in `calibrate`.
        rows : iterable of torch.Tensor of shape (n, d)
            Rows to calibrate with, none of them an outlier; read only if they are iterated over.

        Returns
        -------
        dict
            Any of `thresholds` and `code_offsets` (m,), in units of pre-activations, and
            `code_gains` (m,): codes are then ``gain * pre + offset`` where pre exceeds its
            threshold. Or `k`, to take the k largest positive pre-activations of a row; with
            `signed`, True, the k of largest absolute value.
        """
        raise NotImplementedError

    def stacked(self, several, like):
        """Return what does the work of several for a stack of dictionaries.

        Parameters
        ----------
        several : list of Nonlinearity
            Of this class, one for each dictionary.
        like : torch.Tensor
            Has the dtype and device of the stack.

        Returns
        -------
        Nonlinearity
            This object by default, which is right where all are equal.
        """
        return self
