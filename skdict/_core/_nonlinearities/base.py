"""The interface of nonlinearities, with defaults for dense training steps."""

from abc import ABC, abstractmethod

import torch


class Nonlinearity(ABC):
    r"""Base class of maps from pre-activations :math:`p = (x - \mu) E^T + b` to codes.

    To define a nonlinearity, subclass this class and pass an instance as ``activation`` to
    `SparseDictionaryAutoencoder`. Only `values`, `backward` and `frozen` are required; training
    steps are then dense. All arrays are torch tensors, and rows are centred and scaled.

    Attributes
    ----------
    penalty : {None, "l1", "l0"}
        Penalty that makes codes sparse. None, the default, is for nonlinearities that select
        entries. With "l1", alpha times the sum of the codes, which must not be negative, is added
        to the loss, and `target_l0` steers alpha. With "l0", the penalty is alpha times the number
        of codes, or the squared relative distance of their mean number from `target_l0`;
        `backward` then receives one more argument, the gradient with respect to whether an entry
        fires.
    calibrated : bool
        True if `frozen` reads rows; some rows are then held out from training for it. False by
        default.
    overwrites_pre : bool
        True if `backward` does not read pre-activations, so that codes may overwrite them. False
        by default.

    See Also
    --------
    SparseDictionaryAutoencoder : Accepts an instance as `activation`.
    """

    penalty = None
    calibrated = False
    overwrites_pre = False

    def learned(self, n_components):
        """Return additional tensors to train, with one number per feature.

        Parameters
        ----------
        n_components : int
            Number of features m.

        Returns
        -------
        dict of str to torch.Tensor of shape (m,)
            Initial values by name, in units of pre-activations; empty by default. The fitted
            estimator stores them as attributes of these names with a trailing underscore.
        """
        return {}

    def calibrate(self, tensors, sample):  # noqa: B027
        """Initialise learned tensors and biases in place; do nothing by default.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            Components, encoder, bias and learned tensors by name; biases are already calibrated.
        sample : torch.Tensor of shape (n, d)
            Sample of the training rows.
        """

    def project(self, tensors):  # noqa: B027
        """Project learned tensors onto their valid range after a step; do nothing by default.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            Components, encoder, bias and learned tensors by name.
        """

    def share_active(self, n_components):
        """Return the fraction of entries that have a value or a gradient.

        If it is small, training steps are sparse and `entries` finds these entries.

        Parameters
        ----------
        n_components : int
            Number of features m.

        Returns
        -------
        float or None
            Fraction of active entries, 1 by default; None to measure it in training.
        """
        return 1.0

    def feature_cutoff(self, tensors):
        """Return the pre-activation of each feature up to which entries have no effect.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            Components, encoder, bias and learned tensors by name.

        Returns
        -------
        torch.Tensor of shape (m,)
            Cutoff of each feature; zero by default.
        """
        return torch.zeros_like(tensors["bias"])

    def select(self, pre, eligible, group):  # noqa: B027
        """Set pre-activations that are not selected to zero in place; keep all by default.

        Parameters
        ----------
        pre : torch.Tensor of shape (..., n, m)
            Pre-activations.
        eligible : torch.Tensor of shape (n,), dtype bool
            Mask of the rows that compete in a selection over the batch: all but outliers.
        group : object
            Processes that share the batch; `group.sum_` sums tensors over them.
        """

    def entries(self, search, tensors):
        """Return the entries that have a value or a gradient.

        Parameters
        ----------
        search : object
            Search with the methods `above`, `largest_of_rows` and `largest_of_batch`.
        tensors : mapping of str to torch.Tensor
            Components, encoder, bias and learned tensors by name.

        Returns
        -------
        Codes
            Entries found; by default those above `feature_cutoff`.
        """
        return search.above(self.feature_cutoff(tensors))

    @abstractmethod
    def values(self, pre, learned, out=None):
        """Return the codes of pre-activations.

        Parameters
        ----------
        pre : torch.Tensor
            Pre-activations of any shape. A pre-activation of 0 must give a code of 0.
        learned : dict of str to torch.Tensor
            Learned tensors by name, broadcastable to `pre`.
        out : torch.Tensor, optional
            Tensor to write the codes to.

        Returns
        -------
        torch.Tensor
            Codes, with the shape of `pre`.
        """

    @abstractmethod
    def backward(self, codes, slopes, learned):
        """Return the gradients with respect to pre-activations and learned tensors.

        Parameters
        ----------
        codes : object
            Codes, with tensors `pre` and `values`.
        slopes : torch.Tensor
            Gradient of the loss with respect to `values`; may be changed in place.
        learned : dict of str to torch.Tensor
            Learned tensors by name, broadcastable to the entries.

        Returns
        -------
        (torch.Tensor, dict of str to torch.Tensor)
            Gradient with respect to pre-activations, zero wherever `select` has set them to zero;
            and the contribution of each entry to the gradients of the learned tensors.
        """

    @abstractmethod
    def frozen(self, tensors, rows):
        """Return the parameters that codes need after training besides directions and bias.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            Components, encoder, bias and learned tensors by name.
        rows : iterable of torch.Tensor of shape (n, d)
            Rows to calibrate on, without outliers; they are read only when iterated over.

        Returns
        -------
        dict
            Any of `thresholds` and `code_offsets` (m,), in units of pre-activations, and
            `code_gains` (m,): codes are then ``gain * pre + offset`` where ``pre`` exceeds its
            threshold. Alternatively `k`, to keep the k largest positive pre-activations of a row,
            or with ``signed=True`` the k of largest absolute value.
        """

    def stacked(self, several, like):
        """Return a single nonlinearity for a stack of dictionaries.

        Parameters
        ----------
        several : list of Nonlinearity
            Nonlinearities of the stacked dictionaries, all of this class.
        like : torch.Tensor
            Tensor with the dtype and device of the stack.

        Returns
        -------
        Nonlinearity
            This object by default, which is correct if all are equal.
        """
        return self
