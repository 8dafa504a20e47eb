"""The input embedding is found in every kind of model, or reported as unreadable by None."""

import pytest
import torch
from torch import nn

from skdict import load_stories
from skdict.models import embedding_matrix, load_model
from tests.conftest import build
from tests.tiny_models import build_other


def test_is_the_weight_of_the_embedding(any_family):
    _, model = any_family
    found, due = embedding_matrix(model), model.get_input_embeddings().weight
    assert torch.equal(found, due) and not found.requires_grad
    # A large embedding must not be copied.
    assert found.data_ptr() == due.data_ptr()


@pytest.mark.parametrize("family", ["mamba", "t5", "bart"])
def test_other_kinds_of_model(family):
    model = build_other(family)
    assert torch.equal(embedding_matrix(model), model.get_input_embeddings().weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision(dtype):
    model = build("llama").to(dtype)
    assert torch.equal(embedding_matrix(model), model.get_input_embeddings().weight)


class Plain(nn.Module):
    """A model that declares its embedding, or raises."""

    def __init__(self, embedding):
        super().__init__()
        self.embedding = embedding

    def get_input_embeddings(self):
        if self.embedding is None:
            raise NotImplementedError
        return self.embedding


def with_weight(weight):
    embedding = nn.Embedding(4, 3)
    embedding.weight = nn.Parameter(weight, requires_grad=False)
    return Plain(embedding)


@pytest.mark.parametrize(
    "model",
    [
        nn.Linear(3, 4),
        Plain(None),
        Plain(nn.Linear(3, 4)),
        build_other("vit"),
        build("llama").to("meta"),
        with_weight(torch.zeros(4, 3, dtype=torch.uint8)),
        with_weight(torch.zeros(4, 3).to_sparse()),
    ],
    ids=["none declared", "raises", "linear", "images", "meta", "packed", "sparse"],
)
def test_unreadable_embeddings(model):
    assert embedding_matrix(model) is None


def test_quantized_weights_are_dequantized():
    weight = torch.arange(12.0).reshape(4, 3)
    packed = torch.quantize_per_tensor(weight, 0.5, 0, torch.qint8)
    assert torch.equal(embedding_matrix(with_weight(packed)), weight)


def test_offloaded_weights_are_read_from_disk():
    pytest.importorskip("accelerate", reason="needs the extra gguf: pip install 'skdict[gguf]'")
    folder = load_stories().model
    whole, _ = load_model(folder)
    parts = {f"model.{name}": "cpu" for name, _ in whole.model.named_children()}
    on_disk = {"model.embed_tokens": "disk", "lm_head": "disk"}
    model, _ = load_model(folder, device_map=parts | on_disk)
    assert model.get_input_embeddings().weight.is_meta
    assert torch.equal(embedding_matrix(model), whole.get_input_embeddings().weight)


@pytest.mark.parametrize("target", ["q_proj", "embed_tokens"])
def test_adapters_are_looked_through(target):
    peft = pytest.importorskip("peft")
    due = build("llama").get_input_embeddings().weight
    config = peft.LoraConfig(r=2, target_modules=[target], init_lora_weights=False)
    assert torch.equal(embedding_matrix(peft.get_peft_model(build("llama"), config)), due)


def test_compiled_models_are_looked_through():
    model = build("llama")
    found = embedding_matrix(torch.compile(model))
    assert torch.equal(found, model.get_input_embeddings().weight)
