"""Fixtures: the data folder beside the checkout, and tiny models built in memory."""

import os
from pathlib import Path

# Read when huggingface_hub is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each take all cores wait for each other.
    torch.set_num_threads(1)

SHAPE = {
    "vocab_size": 300,
    "max_position_embeddings": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
}
GROUPED = SHAPE | {"num_key_value_heads": 1, "pad_token_id": 0}
GEMMA = GROUPED | {"head_dim": 8}
FAMILIES = {
    "gpt_neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SHAPE)),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=300, n_positions=64, n_embd=16, n_inner=32, n_layer=3, n_head=2)
    ),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**GROUPED)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**GROUPED)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**GROUPED)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**GEMMA)),
    "gemma2": lambda: Gemma2ForCausalLM(Gemma2Config(**GEMMA)),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA)),
    "phi": lambda: PhiForCausalLM(PhiConfig(**SHAPE, pad_token_id=0)),
    "opt": lambda: OPTForCausalLM(
        OPTConfig(
            vocab_size=300,
            max_position_embeddings=64,
            hidden_size=16,
            ffn_dim=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            word_embed_proj_dim=16,
        )
    ),
    "bert": lambda: BertModel(BertConfig(**SHAPE)),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(
            vocab_size=300,
            max_position_embeddings=64,
            dim=16,
            hidden_dim=32,
            n_layers=3,
            n_heads=2,
        )
    ),
}


def build(family):
    """Return a random model of a family: three blocks of width 16."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FAMILIES[family]().eval()


@pytest.fixture(scope="session")
def shared_data():
    """Real model and text, beside the checkout; tests that need them skip without."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the data folder is not beside the checkout")
    return folder


@pytest.fixture
def short_epochs(monkeypatch):
    """Lower the minimum length of an epoch from 100 steps to 10.

    For tests of properties that hold after any number of steps, such as that code runs or that
    two ways of fitting agree. Tests of what a fit learns keep the full length.
    """
    monkeypatch.setattr("skdict.decomposition._schedule.Schedule.min_steps", 10)


@pytest.fixture(scope="session")
def byte_tokenizer():
    """A tokenizer whose pieces are single bytes: text in, as many tokens as bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0} | {piece: i + 1 for i, piece in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


@pytest.fixture(scope="session", params=["gpt_neox", "gpt2", "llama"])
def tiny_model(request):
    """A random model of each of three families."""
    return build(request.param)


@pytest.fixture(scope="session", params=list(FAMILIES))
def any_family(request):
    """A family, and a random model of it."""
    return request.param, build(request.param)
