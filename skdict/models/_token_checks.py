"""Checks that a tokenizer and its token ids fit a model."""

from skdict.models._placement import embedding_of
from skdict.models._signatures import signature


def check_tokenizer(tokenizer):
    """Raise TypeError for anything that is not a tokenizer, such as None."""
    accepted = (
        "pass (model, tokenizer) with the tokenizer that AutoTokenizer.from_pretrained loads for "
        "the model"
    )
    if not callable(tokenizer):
        if hasattr(tokenizer, "to_str"):
            accepted = "wrap it in PreTrainedTokenizerFast(tokenizer_object=...) of transformers"
        raise TypeError(f"tokenizer is {type(tokenizer).__name__}, not a tokenizer; {accepted}")
    if not hasattr(tokenizer, "convert_ids_to_tokens") and hasattr(tokenizer, "tokenizer"):
        raise TypeError(
            f"tokenizer is {type(tokenizer).__name__}, a processor of several kinds of input; pass "
            f"the tokenizer in it: (model, processor.tokenizer)"
        )


def check_reads_tokens(model):
    """Raise ValueError for a model that does not read token ids but, for example, pixels."""
    reads = getattr(model, "main_input_name", "input_ids")
    if reads == "input_ids" or "input_ids" in signature(model).parameters:
        return
    raise ValueError(
        f"{type(model).__name__} reads {reads} and not token ids; pass a language model, or run "
        f"this model on its own inputs and pass a module path from model.named_modules() to "
        f"skdict.models.capture or intervene"
    )


def check_token_ids(model, tokenizer, texts):
    """Check that the model has an embedding for every token id.

    Parameters
    ----------
    model : Module
        Any model; a model whose embedding cannot be found is not checked.
    tokenizer : PreTrainedTokenizerBase
        Tokenizer that produced the ids.
    texts : iterable of (int, sequence of int)
        Index and token ids of each text.

    Raises
    ------
    ValueError
        If a token id is out of range; the message names the token.
    """
    n_embeddings = getattr(embedding_of(model), "num_embeddings", None)
    if n_embeddings is None:
        return
    for index, ids in texts:
        beyond = next((int(i) for i in ids if i >= n_embeddings), None)
        if beyond is not None:
            raise ValueError(
                f"texts[{index}] has the token {tokenizer.convert_ids_to_tokens(beyond)!r} (id "
                f"{beyond}), but {type(model).__name__} has embeddings of {n_embeddings} tokens; "
                f"pass the tokenizer that belongs to the model or, if tokens were added to it, "
                f"call model.resize_token_embeddings(len(tokenizer)) and train them"
            )
