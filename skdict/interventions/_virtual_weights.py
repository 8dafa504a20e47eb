"""How much features feed later features through the residual stream, by weights alone."""

from functools import partial

import torch
from sklearn.utils import Bunch

from skdict._validation import check_choice, check_number, compute_dtype
from skdict.decomposition import (
    TopKDictionary,
    check_is_dictionary,
    dictionary_atoms,
    to_torch,
)
from skdict.interventions._frozen_dictionary import check_features
from skdict.interventions._stream_path import Means, StreamPath


def virtual_weights(
    upper,
    lower,
    *,
    features=None,
    model=None,
    hook_points=None,
    rms=None,
    texts=None,
    average_over="all",
    max_length=256,
    batch_size=8,
    skip_first=1,
):
    r"""Compute how much the features of a lower dictionary feed those of an upper one.

    A feature of the lower dictionary adds its code times its decoder direction :math:`d_i` to the
    residual stream, which the upper dictionary reads with the encoder direction :math:`e_j`,
    directly or through a norm. Per unit of code i, the direct path between them changes code j,
    where it is positive, by the virtual weight

    .. math:: w_{ji} = \frac{\gamma_j}{r} (P (g \circ e_j)) \cdot d_i,

    with the gain :math:`\gamma_j` of the code (1 unless codes were refitted), the gain g of the
    norm, the root mean square r that it divides by, and P, which subtracts the mean if the norm is
    a LayerNorm. Without a norm, g and r are 1 and P changes nothing.

    Virtual weights neither depend on texts nor see what blocks in between add in response. A large
    one shows a possible effect: feature i may never fire where feature j does. With `texts`, the
    expected contribution of feature i to code j is

    .. math:: \frac{1}{|T|} \sum_{t \in T} w_{ji}(t) \, c_{ti},

    where c are codes, the weights have the root mean square of token t, and T are all tokens or
    those at which feature j fires.

    Parameters
    ----------
    upper : estimator
        Fitted dictionary or transcoder that reads the residual stream.
    lower : estimator
        Fitted dictionary or transcoder that writes to it.
    features : int, sequence of int or None, default=None
        Features of `upper` to compute weights for. None means all.
    model : str, path, PreTrainedModel or (PreTrainedModel, PreTrainedTokenizerBase), optional
        Model of both dictionaries. None means that `upper` reads the residual stream directly,
        without a norm. Texts need a tokenizer.
    hook_points : (hook point, hook point), optional
        With `model`: hook points of `upper` and of `lower`. Each is a str, or for a transcoder a
        pair of what it reads and what it predicts, such as ("mlp_in.2", "mlp_out.2"). `upper`
        reads "mlp_in" or the residual stream; `lower` is fitted on, or predicts, the residual
        stream or a summand of it ("attn_out", "mlp_out").
    rms : float or None, default=None
        Number that the norm divides by. None means 1 without `texts`, which does not affect the
        ranking of weights, and with them the number of each token.
    texts : list of str, optional
        Texts to average over.
    average_over : {"all", "firing"}, default="all"
        Tokens that contributions are averaged over: all, or for each feature of `upper` those at
        which it fires, as in [2]_.
    max_length : int, default=256
        Maximum number of tokens read from each text, special tokens included.
    batch_size : int, default=8
        Number of texts per forward pass.
    skip_first : int, default=1
        Number of positions at the start of each text that are left out. Special tokens are left
        out in the same way.

    Returns
    -------
    Bunch
        weights : ndarray of shape (n_features, n_components of `lower`)
            Virtual weights in the dtype of the components. With texts and no `rms`, they are means
            over tokens.
        rms : float
            Number that the norm divides by in `weights`: as given, or one divided by the mean of
            1 / r over tokens; 1 without a norm.
        contributions : ndarray of shape (n_features, n_components of `lower`), or None
            Expected contributions; None without texts, and nan for features that do not fire at
            any token with ``average_over="firing"``.
        mean_codes : ndarray of shape (n_components of `lower`,), or None
            Mean codes of `lower` over all tokens. If r does not depend on the token, contributions
            over all tokens equal ``weights * mean_codes``.
        n_tokens : int or None
            Number of tokens averaged over.

    Raises
    ------
    TypeError
        If an estimator is not a fitted dictionary, texts are given without a tokenizer, or an
        argument has the wrong type.
    ValueError
        If `upper` has no encoder directions; if a feature or a hook point does not exist; if
        `upper` does not read the residual stream, `lower` does not write to it, or `upper` is
        reached first; if norms follow the sums of the blocks; if widths differ; or if arguments
        are given that need others.

    See Also
    --------
    find_circuit : Find the features that drive a feature, by ablation.
    skdict.inspection.nearest_features : Compare directions of features by cosine similarity.

    Notes
    -----
    The skip connection of a transcoder is not a feature and is left out.

    References
    ----------
    .. [1] Dunefsky, Chlenski and Nanda (2024), "Transcoders Find Interpretable LLM Feature
       Circuits", arXiv:2406.11944, section 4.
    .. [2] Ameisen et al. (2025), "Circuit Tracing: Revealing Computational Graphs in Language
       Models", Transformer Circuits Thread (expected residual attribution).

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
    >>> from skdict.interventions import virtual_weights
    >>> stories, points = load_stories(), ("mlp_in.2", "resid_post.0")
    >>> fitted = [
    ...     SparseDictionaryAutoencoder(64, max_iter=1, random_state=0).fit(
    ...         ActivationExtractor(stories.model, point).fit_transform(stories.texts[:10])
    ...     )
    ...     for point in points
    ... ]
    >>> found = virtual_weights(
    ...     *fitted, features=[3], model=stories.model, hook_points=points, texts=stories.texts[:2]
    ... )
    >>> found.weights.shape, found.contributions.shape
    ((1, 64), (1, 64))
    >>> strongest = np.argsort(-found.contributions[0])[:5]
    """
    check_choice("average_over", average_over, ("all", "firing"))
    if rms is not None:
        check_number("rms", rms, above=0)
    frozen, encoder = _encoder(upper)
    chosen = check_features(features, frozen)
    encoder = encoder[chosen]
    decoder = torch.from_numpy(dictionary_atoms(lower)).to(encoder)
    _check_width(encoder, "lower one writes", decoder.shape[1])
    if model is None:
        _check_without_model(hook_points=hook_points, rms=rms, texts=texts)
        return _result(encoder, decoder, Means())
    path = StreamPath(model, (upper, lower), hook_points, needs_tokenizer=texts is not None)
    _check_width(encoder, "residual stream has", path.width)
    if path.norm is not None:
        encoder = path.norm.fold(encoder)
    elif rms is not None:
        raise ValueError(
            f"rms={rms!r} is given, but {path.upper!r} reads the residual stream without a norm; "
            f"leave rms out"
        )
    if texts is None:
        return _result(encoder, decoder, Means(1 / (rms or 1)))
    fires = partial(_fires, frozen, chosen) if average_over == "firing" else None
    options = {"max_length": max_length, "batch_size": batch_size, "skip_first": skip_first}
    return _result(encoder, decoder, path.means(lower, texts, rms=rms, fires=fires, **options))


def _fires(frozen, features, rows):
    """Return flags of the features that fire on rows."""
    return frozen.to(device=rows.device).encode(rows.to(frozen.offset.dtype))[:, features] != 0


def _result(encoder, decoder, means):
    """Return the weights and contributions for folded encoder directions."""
    weights = encoder @ decoder.T
    with_texts = means.codes is not None
    return Bunch(
        weights=(means.scale * weights).numpy(),
        rms=1 / means.scale,
        contributions=(weights * means.scaled.to(weights)).numpy() if with_texts else None,
        mean_codes=means.codes.to(weights).numpy() if with_texts else None,
        n_tokens=means.n_tokens,
    )


def _check_width(encoder, whose, width):
    if encoder.shape[1] != width:
        raise ValueError(
            f"the upper dictionary reads rows of width {encoder.shape[1]} but the {whose} rows of "
            f"width {width}; pass dictionaries of the same residual stream"
        )


def _check_without_model(**given):
    """Raise ValueError if arguments are given that describe a model."""
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise ValueError(
            f"{', '.join(names)} given without model; pass the model of both dictionaries, or only "
            f"the dictionaries if the upper one reads the residual stream without a norm"
        )


def _encoder(upper):
    """Return a dictionary as tensors, and its encoder directions times the gains of its codes."""
    if isinstance(upper, TopKDictionary):
        raise ValueError(
            "TopKDictionary selects among the codes of another dictionary, so weights alone do not "
            "determine its codes; pass its attribute dictionary_"
        )
    dtype = compute_dtype(check_is_dictionary(upper).components_)
    frozen = to_torch(upper, device="cpu", dtype=dtype.name)
    if not hasattr(frozen, "encoder"):
        raise ValueError(
            f"{type(upper).__name__} has no encoder directions; pass a dictionary whose "
            f"pre-activations are linear in the rows"
        )
    gains, encoder = getattr(frozen.nonlinearity, "gains", None), frozen.encoder
    return frozen, encoder if gains is None else gains.to(encoder)[:, None] * encoder
