"""The same model without anything learnt: what a score of features must be held against."""

import torch

from skdict._validation import check_number
from skdict.models._loading import load_model


def reinitialize_model(model, *, random_state=0, trust_remote_code=False):
    """Return the same model with weights drawn anew, and its tokenizer.

    Features of a model that has learnt nothing can be explained, too, by the tokens they
    stand for. Extract activations from this one, fit the same dictionary, and compare scores
    and context gain.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        A name, a folder, or a loaded pair; it stays as it is.
    random_state : int, default=0
        Of the weights.
    trust_remote_code : bool, default=False
        Run the Python code that a model given by name or folder brings with it. Read that code
        first.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizerBase)
        A pair that `skdict.ActivationExtractor` takes as its model.

    Raises
    ------
    FileNotFoundError, ValueError
        If the model cannot be loaded.
    TypeError
        If the model has no configuration to build it anew from, or `random_state` is not a
        whole number.

    References
    ----------
    Heap, Lawson, Farnik and Aitchison (2025), "Sparse autoencoders can interpret randomly
    initialized transformers".

    Examples
    --------
    >>> from skdict import ActivationExtractor, load_stories
    >>> from skdict.interpretation import reinitialize_model
    >>> stories = load_stories()
    >>> control = reinitialize_model(stories.model)
    >>> ActivationExtractor(control, "resid_post.1").fit_transform(stories.texts[:2]).shape[0] > 0
    True
    """
    check_number("random_state", random_state, low=0, integer=True)
    learnt, tokenizer = load_model(
        model, device=torch.device("cpu"), trust_remote_code=trust_remote_code
    )
    if not hasattr(learnt, "config"):
        raise TypeError(
            f"{type(learnt).__name__} has no config to build it anew from; pass a transformers "
            f"model, or build the module again yourself"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        fresh = type(learnt)(learnt.config)
    return fresh.to(device=learnt.device, dtype=learnt.dtype).eval(), tokenizer
