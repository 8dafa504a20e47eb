"""Fixtures: the data folder beside the checkout, and tiny models built in memory."""

import os
from pathlib import Path

# Read when huggingface_hub is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

COMMON = {"vocab_size": 300, "max_position_embeddings": 64}
FAMILIES = {
    "gpt_neox": lambda: GPTNeoXForCausalLM(
        GPTNeoXConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            **COMMON,
        )
    ),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=300, n_positions=64, n_embd=16, n_layer=3, n_head=2)
    ),
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
            **COMMON,
        )
    ),
}


@pytest.fixture(scope="session")
def shared_data():
    """Real model and text, beside the checkout; tests that need them skip without."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the data folder is not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def byte_tokenizer():
    """A tokenizer whose pieces are single bytes: text in, as many tokens as bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0} | {piece: i + 1 for i, piece in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


@pytest.fixture(scope="session", params=list(FAMILIES))
def tiny_model(request):
    """A random model of each family, three blocks of width 16."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FAMILIES[request.param]().eval()
