"""GGUF files written as llama.cpp's converter writes them, from models built in memory."""

import numpy as np
from tokenizers import pre_tokenizers

from tests.conftest import build

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers": "blk",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
TOKENS = ["<s>", "</s>", "<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]


def tiny_llama():
    """Return a random model of as many tokens as the files have."""
    model = build("llama")
    model.resize_token_embeddings(len(TOKENS), mean_resizing=False)
    return model


def write_gguf(path, model, kind="F32", *, leave_out=()):
    """Write a model of the family "llama", its matrices in a type such as "F16" or "Q8_0".

    Returns
    -------
    dict of str to ndarray
        The weights as they stand in the file, in float32, by the model's own names.
    """
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _write_tokenizer(writer)
    written = {}
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy()
        stored = gguf.GGMLQuantizationType[kind if values.ndim == 2 else "F32"]
        data = gguf.quants.quantize(_reordered(name, values, config), stored)
        back = gguf.quants.dequantize(data, stored).astype(np.float32)
        written[name] = _reordered(name, back, config, undo=True)
        if name not in leave_out:
            writer.add_tensor(_renamed(name), data, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return written


def _write_tokenizer(writer):
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3] + [1] * (len(TOKENS) - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)


def _renamed(name):
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    return name


def _reordered(name, values, config, undo=False):
    """Return the rows of queries and keys in the order in which llama.cpp rotates them."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    n_heads = next((n for part, n in heads.items() if part in name), None)
    if n_heads is None:
        return values
    half = values.shape[0] // n_heads // 2
    shape = (n_heads, half, 2, -1) if undo else (n_heads, 2, half, -1)
    return values.reshape(shape).swapaxes(1, 2).reshape(values.shape)
