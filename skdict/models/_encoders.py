"""Models that have an encoder and a decoder: which of them reads texts."""

from skdict.models._signatures import signature
from skdict.models._token_checks import check_reads_tokens


def is_encoder_decoder(model):
    """Return True if a model runs an encoder and a decoder, each on tokens of its own."""
    return "decoder_input_ids" in signature(model).parameters


def encoder_of(model):
    """Return the encoder of a model that has a decoder, too; else the model itself."""
    return model.get_encoder() if is_encoder_decoder(model) else model


def text_reader(model, points):
    """Return the part of a model that reads texts: the encoder, if there is a decoder, too.

    Parameters
    ----------
    model : Module
        Any model.
    points : dict of str to HookPoint
        Places that are to be read.

    Returns
    -------
    Module

    Raises
    ------
    ValueError
        If the model reads no token ids, or a place is in a decoder: which tokens would it be
        given?
    """
    check_reads_tokens(model)
    encoder = encoder_of(model)
    inside = set(encoder.modules())
    for name, point in points.items():
        if point.module not in inside:
            raise ValueError(
                f"hook_point={name!r} is not in the encoder of {type(model).__name__}, which "
                f"alone reads texts; pass model.get_encoder() and a place in it, or "
                f"model.get_decoder() to read texts by the decoder alone"
            )
    return encoder


def check_continues_texts(model):
    """Refuse a model whose logits are not of the tokens that follow a text (`ValueError`)."""
    if is_encoder_decoder(model):
        raise ValueError(
            f"{type(model).__name__} has an encoder and a decoder and does not continue texts, "
            f"which a causal language model is needed for; read its encoder with "
            f"ActivationExtractor and model.get_encoder(), and edit it with intervene"
        )
