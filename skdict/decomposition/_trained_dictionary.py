"""Base class of the dictionaries that are trained by gradient steps."""

from skdict._core import Weights, resolve_device
from skdict._validation import compute_dtype
from skdict.decomposition._base import BaseDictionary
from skdict.decomposition._codes import decode_rows, encode_rows
from skdict.decomposition._frozen import encoding_arrays, freeze
from skdict.decomposition._observers._callbacks import CallbackSupportMixin
from skdict.decomposition._parts import decode_shared, encode_shared, is_part

# Above this share of active codes, it is faster to compute all codes than to search for them.
MOST_ACTIVE = 0.1


class TrainedDictionary(CallbackSupportMixin, BaseDictionary):
    """Base class of dictionaries with the fitted attributes of `Weights`."""

    def __sklearn_clone__(self):
        # A plain clone would replace the fitted dictionary to start from with an unfitted one.
        copied = super().__sklearn_clone__()
        copied.dict_init = self.dict_init
        return copied

    def _encode(self, X):
        """Return the codes of checked rows."""
        if is_part(self):
            return encode_shared(self, X)
        dictionary = freeze(Weights.of(self), compute_dtype(X), resolve_device(self.device))
        # A dictionary without history, trained elsewhere, is assumed to be sparse.
        l0 = self.history_[-1]["l0"] if self.history_ else 0
        return encode_rows(
            dictionary,
            X,
            sparse_output=self.sparse_output,
            few_active=l0 < MOST_ACTIVE * len(self.components_),
        )

    def _decode(self, codes):
        if is_part(self):
            return decode_shared(self, codes)
        return decode_rows(codes, self.components_, Weights.of(self).offset)

    def _encoding_arrays(self):
        return encoding_arrays(Weights.of(self))

    @property
    def _n_features_out(self):
        return self.feature_range_[2] if is_part(self) else len(self.components_)
