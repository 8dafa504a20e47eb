"""What goes through the model is counted, padding apart."""

import numpy as np
import pytest

from skdict import ActivationExtractor
from skdict.feature_extraction._forward_pass import TokenCounts


def test_padding_is_what_fills_the_texts_of_a_pass_up():
    counts = TokenCounts()
    assert counts.padding_share == 0
    counts.add(np.array([5, 3, 2]))
    counts.add(np.array([1]))
    assert (counts.n_tokens, counts.n_padding) == (11, 5)
    assert counts.padding_share == 5 / 16


@pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
def test_a_reading_counts_what_the_model_gets(tiny_model, byte_tokenizer, batch_size):
    texts = ["abcdefgh", "xy", "hello there, world", "abc", "xyz"]
    seen = []
    extractor = ActivationExtractor(
        (tiny_model, byte_tokenizer), "resid_post.0", batch_size=batch_size
    )
    reading = extractor._reading()
    embedding = tiny_model.get_input_embeddings()
    handle = embedding.register_forward_pre_hook(lambda module, args: seen.append(args[0].numel()))
    reading.run(texts)
    handle.remove()
    counts = reading.token_counts
    n_tokens = sum(len(byte_tokenizer(text)["input_ids"]) for text in texts)
    assert counts.n_tokens == n_tokens
    # The first pass checks the hook point, on two copies of at most 8 tokens.
    assert counts.n_tokens + counts.n_padding == sum(seen[1:])
    assert counts.padding_share == counts.n_padding / sum(seen[1:])
    reading.run(texts)
    assert counts.n_tokens == 2 * n_tokens


def test_rows_from_a_cache_are_not_counted(tiny_model, byte_tokenizer, tmp_path):
    extractor = ActivationExtractor(
        (tiny_model, byte_tokenizer), "resid_post.0", cache_dir=tmp_path
    )
    extractor.transform(["abcdef", "ghi"])
    reading = extractor._reading()
    reading.run(["abcdef", "ghi"])
    assert reading.token_counts.n_tokens == 0
    reading.run(["abcdef", "xy"])
    assert reading.token_counts.n_tokens == 2
