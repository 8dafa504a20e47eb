"""Fit dictionaries of a stack of layers, each started from the one below."""

from sklearn.base import clone

from skdict._validation import check_flag


def fit_layers(estimator, layers, *, from_below=True):
    """Fit a dictionary for each layer, upwards, each started from the one below.

    Neighbouring layers of a residual stream share most of their features. A dictionary that starts
    from its neighbour's keeps the features that stay, at the same indices.

    Parameters
    ----------
    estimator : SparseDictionaryAutoencoder
        Unfitted estimator, of which a clone is fitted to each layer. Its `dict_init`, if any, is
        the start of the lowest layer.
    layers : dict of str to array-like of shape (n_samples, n_features)
        Rows of each layer, in order from the lowest, as returned by `extract_activations`. All have
        the same width.
    from_below : bool, default=True
        If True, start each layer from the dictionary below through `dict_init`. If False, start
        each like the lowest, for comparison.

    Returns
    -------
    dict of str to SparseDictionaryAutoencoder
        Fitted dictionary of each layer, in the same order.

    Raises
    ------
    TypeError
        If `layers` is not a dict, or the estimator has no `dict_init`.
    ValueError
        If there are no layers, their widths differ, or codes are refitted by `debias=True`, from
        which training cannot start; or see `SparseDictionaryAutoencoder.fit`.

    See Also
    --------
    skdict.metrics.match_layers : Match the features of neighbouring layers.

    Examples
    --------
    >>> from skdict import SparseDictionaryAutoencoder, load_stories
    >>> from skdict.decomposition import fit_layers
    >>> from skdict.feature_extraction import extract_activations
    >>> stories = load_stories()
    >>> layers = extract_activations(
    ...     stories.model, ["resid_post.1", "resid_post.2"], stories.texts[:50]
    ... )
    >>> sae = SparseDictionaryAutoencoder(128, max_iter=1, random_state=0)
    >>> {name: fitted.components_.shape for name, fitted in fit_layers(sae, layers).items()}
    {'resid_post.1': (128, 128), 'resid_post.2': (128, 128)}
    """
    check_flag("from_below", from_below)
    _check_layers(estimator, layers, from_below)
    fitted, below = {}, None
    for name, rows in layers.items():
        started = clone(estimator)
        if from_below and below is not None:
            started.set_params(dict_init=below)
        below = fitted[name] = started.fit(rows)
    return fitted


def _check_layers(estimator, layers, from_below):
    if not isinstance(layers, dict):
        raise TypeError(
            f"layers is {type(layers).__name__}; pass a dict of hook points to rows, as returned "
            f"by extract_activations"
        )
    if not hasattr(estimator, "dict_init"):
        raise TypeError(
            f"{type(estimator).__name__} has no dict_init; pass a SparseDictionaryAutoencoder"
        )
    widths = {name: rows.shape[1] for name, rows in layers.items()}
    if len(set(widths.values())) != 1:
        raise ValueError(
            f"layers have widths {widths}; pass at least one layer, all of the same width, such as "
            f"the residual stream after several blocks"
        )
    if from_below and estimator.debias:
        raise ValueError(
            "debias=True refits codes at the end of each layer, and training cannot start from "
            "refitted codes; pass debias=False and call refit_codes on the results"
        )
