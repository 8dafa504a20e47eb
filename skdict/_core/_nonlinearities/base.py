"""What a nonlinearity has, with the defaults of one that computes all entries."""

from abc import ABC, abstractmethod

import torch


class Nonlinearity(ABC):
    r"""From pre-activations :math:`p = (x - \mu) E^T + b` to codes, and back.

    Subclass it and pass an instance as ``activation=`` of `SparseDictionaryAutoencoder`. Only
    `values`, `backward` and `frozen` must be written: each step then goes over all entries. Arrays
    are torch tensors; rows are centred and scaled.

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

    def calibrate(self, tensors, sample):  # noqa: B027
        """Set the learned tensors and the biases in place; does nothing by default.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            Components, encoder, bias and learned tensors by name; biases are calibrated already.
        sample : torch.Tensor of shape (n, d)
            Rows to train on.
        """

    def project(self, tensors):  # noqa: B027
        """Project learned tensors onto their valid range after each step; not at all by default.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            Components, encoder, bias and learned tensors by name.
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
            Components, encoder, bias and learned tensors by name.

        Returns
        -------
        torch.Tensor of shape (m,)
            Zeros by default.
        """
        return torch.zeros_like(tensors["bias"])

    def select(self, pre, eligible, group):  # noqa: B027
        """Set the pre-activations that are not selected to zero, in place; none by default.

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
            Components, encoder, bias and learned tensors by name.

        Returns
        -------
        Codes
            By default those above `feature_cutoff`.
        """
        return search.above(self.feature_cutoff(tensors))

    @abstractmethod
    def values(self, pre, learned, out=None):
        """Return codes for pre-activations.

        Parameters
        ----------
        pre : torch.Tensor
            Pre-activations of any shape. A pre-activation of 0 must give a code of 0.
        learned : dict of str to torch.Tensor
            The learned tensors, which broadcast with `pre`.
        out : torch.Tensor, optional
            Where to write them.

        Returns
        -------
        torch.Tensor
            The codes.
        """

    @abstractmethod
    def backward(self, codes, slopes, learned):
        """Return how the loss changes with pre-activations and with the learned tensors.

        Parameters
        ----------
        codes : object
            With tensors `pre` and `values`.
        slopes : torch.Tensor
            Slopes of the loss along the values; may be changed in place.
        learned : dict of str to torch.Tensor
            The learned tensors, which broadcast with the entries.

        Returns
        -------
        (torch.Tensor, dict of str to torch.Tensor)
            Slopes along pre-activations, zero wherever `select` has set them to zero; and along
            the learned tensors, entry by entry.
        """

    @abstractmethod
    def frozen(self, tensors, rows):
        """Return what codes after training need beside directions and bias.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            Components, encoder, bias and learned tensors by name.
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

    def stacked(self, several, like):
        """Return what does the work of several for a stack of dictionaries.

        Parameters
        ----------
        several : list of Nonlinearity
            The nonlinearities of the dictionaries, all of this class.
        like : torch.Tensor
            Has the dtype and device of the stack.

        Returns
        -------
        Nonlinearity
            This object by default, which is right where all are equal.
        """
        return self
