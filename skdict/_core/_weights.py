"""The weights of a fitted dictionary as numpy arrays."""

from dataclasses import MISSING, dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Weights:
    """Weights of a fitted dictionary or transcoder, in the units of the rows.

    With ``pre = (x - mean) @ encoder.T + encoder_bias``, codes are
    ``code_gains * pre + code_offsets`` where ``pre > thresholds`` and 0 elsewhere. With `k`, the
    condition is instead that ``pre`` is among the k largest positive pre-activations of the row.
    Reconstructions are ``mean + codes @ components``, and the predictions of a transcoder
    ``target_mean + codes @ components + (x - mean) @ skip``, in the units of its targets, as are
    its codes. Fields that do not apply are None, which means thresholds and offsets of 0, gains
    of 1 and no skip connection.

    Parameters
    ----------
    components : ndarray of shape (m, d_out)
        Decoder directions, of unit length.
    encoder : ndarray of shape (m, d)
        Encoder directions; equal to `components` if weights are tied.
    encoder_bias : ndarray of shape (m,)
        Bias added to the projections.
    mean : ndarray of shape (d,)
        Row subtracted before encoding and added after decoding.
    scale : float or ndarray of shape (n_blocks,)
        Number that centred rows are divided by in training; of each of several blocks of columns.
    target_mean : ndarray of shape (d_out,) or None, default=None
        Row added to the predictions of a transcoder; None for other dictionaries.
    target_scale : float or None, default=None
        Number that the centred targets of a transcoder are divided by in training.
    skip : ndarray of shape (d, d_out) or None, default=None
        Linear map from centred rows to predictions.
    thresholds, code_gains, code_offsets : ndarray of shape (m,) or None, default=None
        Threshold, scale and offset of each feature's code.
    k : int or None, default=None
        Maximum number of codes per row.
    signed : bool or None, default=None
        If True, `k` selects the pre-activations of largest absolute value.
    """

    components: np.ndarray
    encoder: np.ndarray
    encoder_bias: np.ndarray
    mean: np.ndarray
    scale: float
    target_mean: np.ndarray | None = None
    target_scale: float | None = None
    skip: np.ndarray | None = None
    thresholds: np.ndarray | None = None
    code_gains: np.ndarray | None = None
    code_offsets: np.ndarray | None = None
    k: int | None = None
    signed: bool | None = None

    @classmethod
    def attribute_names(cls):
        """Return the names of the fitted attributes that hold weights."""
        return [f"{field.name}_" for field in fields(cls)]

    @classmethod
    def of(cls, estimator, *, part=False):
        """Return the weights of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary or transcoder.
        part : bool, default=False
            If True, accept an estimator that holds a part of the features.

        Raises
        ------
        AttributeError
            If the estimator lacks a mandatory attribute.
        ValueError
            If the estimator holds only a part of the features, and `part` is False.
        """
        if hasattr(estimator, "feature_range_") and not part:
            start, stop, n_components = estimator.feature_range_
            raise ValueError(
                f"this process holds only features {start} to {stop - 1} of {n_components}; save "
                f"the dictionary in all processes with save_dictionary, and load it whole with "
                f"load_dictionary"
            )
        due = {f.name for f in fields(cls) if f.default is MISSING}
        names = (
            name for name in cls.attribute_names() if name[:-1] in due or hasattr(estimator, name)
        )
        return cls(**{name[:-1]: getattr(estimator, name) for name in names})

    def attributes(self):
        """Return the fitted attributes for an estimator by name, without those that are None."""
        values = {name: getattr(self, name[:-1]) for name in self.attribute_names()}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def offset(self):
        """Reconstruction of a row whose codes are all zero, without a skip connection."""
        return self.mean if self.target_mean is None else self.target_mean

    @property
    def tied(self):
        """True if the encoder equals the decoder."""
        return np.array_equal(self.encoder, self.components)
