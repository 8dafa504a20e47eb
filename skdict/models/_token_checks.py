"""Tokenizers and token ids that do not fit a model are refused in words."""

from skdict.models._placement import embedding_of
from skdict.models._signatures import signature


def check_tokenizer(tokenizer):
    """Refuse what is no tokenizer, such as None (`TypeError`)."""
    accepted = (
        "pass (model, tokenizer) with the tokenizer that AutoTokenizer.from_pretrained gives for "
        "the model"
    )
    if not callable(tokenizer):
        if hasattr(tokenizer, "to_str"):
            accepted = "wrap it in PreTrainedTokenizerFast(tokenizer_object=...) of transformers"
        raise TypeError(f"tokenizer is {type(tokenizer).__name__}, not a tokenizer; {accepted}")
    if not hasattr(tokenizer, "convert_ids_to_tokens") and hasattr(tokenizer, "tokenizer"):
        raise TypeError(
            f"tokenizer is {type(tokenizer).__name__}, a processor of several kinds of input; pass "
            f"its own tokenizer: (model, processor.tokenizer)"
        )


def check_reads_tokens(model):
    """Refuse a model that reads something else than token ids, such as pixels (`ValueError`)."""
    reads = getattr(model, "main_input_name", "input_ids")
    if reads == "input_ids" or "input_ids" in signature(model).parameters:
        return
    raise ValueError(
        f"{type(model).__name__} reads {reads} and not token ids; pass a language model, or run "
        f"this one on inputs of its own and name a module by its path, as in "
        f"model.named_modules(), to skdict.models.capture or intervene"
    )


def check_token_ids(model, tokenizer, texts):
    """Refuse token ids that the model has no embedding for.

    Parameters
    ----------
    model : Module
        Any model; one that does not tell its embedding is not checked.
    tokenizer : PreTrainedTokenizerBase
        What gave the ids.
    texts : iterable of (int, sequence of int)
        Index of a text, and token ids of it.

    Raises
    ------
    ValueError
        Naming the token.
    """
    n_embeddings = getattr(embedding_of(model), "num_embeddings", None)
    if n_embeddings is None:
        return
    for index, ids in texts:
        beyond = next((int(i) for i in ids if i >= n_embeddings), None)
        if beyond is not None:
            raise ValueError(
                f"texts[{index}] has the token {tokenizer.convert_ids_to_tokens(beyond)!r} (id "
                f"{beyond}), and {type(model).__name__} has embeddings of {n_embeddings} tokens; "
                f"pass the tokenizer that belongs to the model, or, where tokens were added to it, "
                f"call model.resize_token_embeddings(len(tokenizer)) and train them"
            )
