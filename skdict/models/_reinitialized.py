"""A model with random weights: the baseline that feature scores must be compared with."""

import torch

from skdict._validation import check_number
from skdict.models._loading import load_model


def reinitialize_model(model, *, random_state=0, trust_remote_code=False):
    """Return a copy of a model with re-initialised weights, and its tokenizer.

    Features of an untrained model can also be explained, by the tokens they respond to. As a
    baseline, extract activations from the re-initialised model, fit the same dictionary, and
    compare scores and context gain.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Name, folder, or loaded pair; it is not modified.
    random_state : int, default=0
        Seed for the weights.
    trust_remote_code : bool, default=False
        If True, run the Python code that comes with a model given by name or folder. Read that
        code first.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizerBase)
        A pair that `skdict.ActivationExtractor` accepts as its model.

    Raises
    ------
    FileNotFoundError, ValueError
        If the model cannot be loaded.
    TypeError
        If the model has no configuration to build it from, or `random_state` is not a whole
        number.

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
            f"{type(learnt).__name__} has no config to rebuild it from; pass a transformers "
            f"model, or re-initialise the module yourself"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        fresh = type(learnt)(learnt.config)
    return fresh.to(device=learnt.device, dtype=learnt.dtype).eval(), tokenizer
