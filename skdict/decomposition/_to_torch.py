"""Convert any fitted dictionary to frozen tensors, for hooks in models and for use with torch."""

import numpy as np
import scipy.sparse
import torch

from skdict._core import (
    AffineDictionary,
    HostDictionary,
    HostTranscoder,
    Weights,
    resolve_device,
)
from skdict._validation import check_choice
from skdict.decomposition._contract import (
    check_is_dictionary,
    dictionary_atoms,
    dictionary_offset,
    is_transcoder,
)
from skdict.decomposition._frozen import freeze
from skdict.decomposition._pretrained import PretrainedTranscoder
from skdict.decomposition._sparse_transcoder import SparseTranscoder
from skdict.decomposition._topk_dictionary import TopKDictionary

TOLERANCE = 1e-3


def to_torch(dictionary, *, device="auto", dtype="float32"):
    r"""Convert a fitted dictionary to frozen torch tensors with `encode` and `decode`.

    .. math:: c = \phi((x - \mu) E^T + b), \qquad \hat x = \nu + c D

    Dictionaries with an encoder of this form run entirely on the device, so that rows never leave
    it: all dictionaries of skdict, PCA, FastICA, TruncatedSVD, random projections, and Pipelines of
    scalers, PCA and any of these. Dictionaries that solve a problem for each row (NMF,
    MiniBatchDictionaryLearning) decode on the device, but encode on the host with `transform`.

    The tensors of a transcoder also predict its targets:

    .. math:: \hat y = \nu + c D + (x - \mu) A

    Other transcoders encode and predict on the host, with `transform` and `predict`.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary, or a Pipeline that ends in one; or a fitted transcoder.
    device : str, default="auto"
        Device of the tensors: "auto" (a CUDA GPU if available), "cpu", "cuda", "cuda:0".
    dtype : {"float32", "float64"}, default="float32"
        Data type of the tensors.

    Returns
    -------
    AffineDictionary, HostDictionary, AffineTranscoder or HostTranscoder
        Object with the methods ``encode(x)``, from shape (..., n_features) to
        (..., n_components), ``decode(codes)`` for the way back, and ``to(device)``. That of a
        transcoder decodes to (..., n_targets) and has ``predict(x)``, which includes the skip
        connection, and ``rest(x, codes)``, the part of it that codes do not decode to.

    Raises
    ------
    TypeError
        If the estimator is not a fitted dictionary.
    ValueError
        If `inverse_transform` is not a constant plus a sum of atoms times codes, `dtype` is not
        supported, or the device is not available.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn.decomposition import PCA
    >>> from skdict.decomposition import to_torch
    >>> X = np.random.default_rng(0).standard_normal((50, 4)).astype("float32")
    >>> pca = to_torch(PCA(2).fit(X), device="cpu")
    >>> pca.encode(torch.from_numpy(X)).shape
    torch.Size([50, 2])
    """
    last = check_is_dictionary(dictionary)
    check_choice("dtype", dtype, ("float32", "float64"))
    tensors = {"dtype": getattr(torch, dtype), "device": resolve_device(device)}
    if isinstance(last, (SparseTranscoder, PretrainedTranscoder)):
        return freeze(Weights.of(last), np.dtype(dtype), tensors["device"])
    tensors |= {
        "components": dictionary_atoms(dictionary),
        "offset": dictionary_offset(dictionary),
    }
    # Some solvers accept only rows of the dtype that they were fitted on.
    own = tensors["offset"].dtype
    if is_transcoder(last):
        return HostTranscoder.from_arrays(
            transform=lambda rows: last.transform(rows.astype(own)),
            predictions=lambda rows: last.predict(rows.astype(own)),
            n_inputs=last.n_features_in_,
            **tensors,
        )
    encoding = _encoding(dictionary, tensors["offset"])
    if encoding is None:
        return HostDictionary.from_arrays(
            transform=lambda rows: dictionary.transform(rows.astype(own)), **tensors
        )
    return AffineDictionary.from_arrays(**encoding, **tensors)


def _encoding(dictionary, center):
    """Return centre, encoder, bias and nonlinearity, or None if the encoder is not of that form."""
    last = check_is_dictionary(dictionary)
    if isinstance(last, TopKDictionary):
        own = _topk_encoding(last)
    elif hasattr(last, "_encoding_arrays"):
        own = last._encoding_arrays()
    else:
        return _probed(dictionary.transform, center)
    if own is None or last is dictionary or len(dictionary.steps) == 1:
        return own
    before = _probed(dictionary[:-1].transform, center)
    if before is None:
        return None
    move = before["encoder_bias"] - own["center"]
    return own | {
        "center": center,
        "encoder": own["encoder"] @ before["encoder"],
        "encoder_bias": own["encoder_bias"] + own["encoder"] @ move,
    }


def _probed(transform, center):
    """Return the affine form of a transform from its values around a row; None if not affine."""
    center = np.asarray(center)
    around = np.concatenate([center[None], center + np.eye(len(center), dtype=center.dtype)])
    values = _dense(transform(around))
    encoder = (values[1:] - values[0]).T
    # Rows that move in all dimensions, with both signs and several magnitudes, reveal transforms
    # that are nonlinear, clip or solve a problem for each row. Some of the latter reject negative
    # rows.
    noise = np.random.default_rng(0).uniform(-1, 1, (8, len(center)))
    for size in (1.0, 10.0, 1e3, 1e5):
        far = (center + size * noise).astype(center.dtype)
        expected = values[0] + (far - center) @ encoder.T
        try:
            got = _dense(transform(far))
        except ValueError:
            return None
        if not np.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max()):
            return None
    return {
        "center": center,
        "encoder": encoder,
        "encoder_bias": values[0],
        "nonlinearity": _identity,
    }


def _dense(codes):
    return codes.toarray() if scipy.sparse.issparse(codes) else np.asarray(codes)


def _identity(codes):
    return codes


def _topk_encoding(topk):
    inner = _encoding(topk.dictionary_, topk.offset_)
    if inner is None:
        return None
    activate, lengths = inner["nonlinearity"], torch.from_numpy(topk._lengths)

    def strongest(projections):
        codes = activate(projections)
        if topk.split_sign:
            codes = torch.cat([codes.relu(), (-codes).relu()], dim=-1)
        strength = codes.abs() * lengths.to(codes)
        kept = strength.topk(min(topk.k, codes.shape[-1]), dim=-1).indices
        return torch.zeros_like(codes).scatter(-1, kept, codes.gather(-1, kept))

    return inner | {"nonlinearity": strongest}
