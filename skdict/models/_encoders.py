"""Encoder-decoder models, and the part of a model that reads texts."""

from skdict.models._signatures import signature
from skdict.models._token_checks import check_reads_tokens


def is_encoder_decoder(model):
    """Return True if a model has an encoder and a decoder that each read their own tokens."""
    return "decoder_input_ids" in signature(model).parameters


def encoder_of(model):
    """Return the encoder of an encoder-decoder; return any other model unchanged."""
    return model.get_encoder() if is_encoder_decoder(model) else model


def text_reader(model, points):
    """Return the part of a model that reads texts: its encoder if it also has a decoder.

    Parameters
    ----------
    model : Module
        Any model.
    points : dict of str to HookPoint
        Hook points to read, by name.

    Returns
    -------
    Module
        The encoder of an encoder-decoder, or the model itself.

    Raises
    ------
    ValueError
        If the model does not read token ids, or a hook point is in the decoder, whose tokens a
        text does not determine.
    """
    check_reads_tokens(model)
    encoder = encoder_of(model)
    inside = set(encoder.modules())
    for name, point in points.items():
        if point.module not in inside:
            raise ValueError(
                f"hook_point={name!r} is not in the encoder of {type(model).__name__}, and only "
                f"the encoder reads texts; pass model.get_encoder() and a hook point in it, or "
                f"model.get_decoder() to read texts with the decoder alone"
            )
    return encoder


def check_continues_texts(model):
    """Raise ValueError for a model that does not predict the next token of a text."""
    if is_encoder_decoder(model):
        raise ValueError(
            f"{type(model).__name__} is an encoder-decoder and does not continue texts; pass a "
            f"causal language model, or read its encoder with ActivationExtractor and "
            f"model.get_encoder(), and edit it with intervene"
        )
