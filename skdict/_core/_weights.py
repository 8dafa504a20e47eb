"""The numbers that a fitted dictionary consists of."""

from dataclasses import MISSING, dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Weights:
    """A fitted dictionary as numpy arrays, in the units of the rows.

    With ``pre = (x - mean) @ encoder.T + encoder_bias``, codes are
    ``code_gains * pre + code_offsets`` where ``pre > thresholds`` and 0 elsewhere; or, with k,
    where pre is among the k largest positive ones of its row. Rows are reconstructed as
    ``mean + codes @ components``. A field that does not apply is None: thresholds and offsets
    are then 0, gains 1.

    Parameters
    ----------
    components : ndarray of shape (m, d)
        Decoder directions, of unit length.
    encoder : ndarray of shape (m, d)
        Encoder directions; equal to `components` if the weights are tied.
    encoder_bias : ndarray of shape (m,)
        Added to the projections.
    mean : ndarray of shape (d,)
        Subtracted before encoding and added after decoding.
    scale : float
        Divides the centred rows in training.
    thresholds, code_gains, code_offsets : ndarray of shape (m,) or None, default=None
        One number per feature.
    k : int or None, default=None
        Most codes of a row.
    signed : bool or None, default=None
        With k, True if the pre-activations of the largest absolute value are taken.
    """

    components: np.ndarray
    encoder: np.ndarray
    encoder_bias: np.ndarray
    mean: np.ndarray
    scale: float
    thresholds: np.ndarray | None = None
    code_gains: np.ndarray | None = None
    code_offsets: np.ndarray | None = None
    k: int | None = None
    signed: bool | None = None

    @classmethod
    def attribute_names(cls):
        """Return the attributes of a fitted estimator that hold weights."""
        return [f"{field.name}_" for field in fields(cls)]

    @classmethod
    def of(cls, estimator):
        """Return the weights that a fitted estimator holds.

        Raises
        ------
        AttributeError
            If the estimator lacks an attribute that always applies.
        """
        due = {f.name for f in fields(cls) if f.default is MISSING}
        names = (
            name for name in cls.attribute_names() if name[:-1] in due or hasattr(estimator, name)
        )
        return cls(**{name[:-1]: getattr(estimator, name) for name in names})

    def attributes(self):
        """Return the fitted attributes for an estimator, by name; what is None is left out."""
        values = {name: getattr(self, name[:-1]) for name in self.attribute_names()}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def tied(self):
        """True if encoder and decoder are the same matrix."""
        return np.array_equal(self.encoder, self.components)
