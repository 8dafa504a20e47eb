"""Random models of further families.

Some have other kinds of pass (state spaces, encoders with decoders), some have blocks of other
forms (attention and MLP in parallel, norms after the parts or after the sums).
"""

import torch
import transformers

COMMON = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 3}
HEADS = COMMON | {"num_attention_heads": 2}
SHAPE = HEADS | {"intermediate_size": 32, "max_position_embeddings": 64}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
BUILDERS = {
    "mamba": lambda t: t.MambaForCausalLM(t.MambaConfig(**COMMON, state_size=4)),
    "mamba2": lambda t: t.Mamba2ForCausalLM(
        t.Mamba2Config(**COMMON, state_size=4, num_heads=4, head_dim=8, n_groups=1, chunk_size=4)
    ),
    "rwkv": lambda t: t.RwkvForCausalLM(
        t.RwkvConfig(**COMMON, attention_hidden_size=16, intermediate_size=32)
    ),
    "t5": lambda t: t.T5ForConditionalGeneration(
        t.T5Config(
            vocab_size=300,
            d_model=16,
            d_kv=8,
            d_ff=32,
            num_layers=3,
            num_heads=2,
            decoder_start_token_id=0,
        )
    ),
    "bart": lambda t: t.BartForConditionalGeneration(
        t.BartConfig(
            vocab_size=300,
            d_model=16,
            encoder_layers=3,
            decoder_layers=3,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            max_position_embeddings=64,
            pad_token_id=0,
            decoder_start_token_id=2,
            forced_eos_token_id=None,
        )
    ),
    "falcon": lambda t: t.FalconForCausalLM(
        t.FalconConfig(**HEADS, parallel_attn=True, new_decoder_architecture=False)
    ),
    "falcon_two_norms": lambda t: t.FalconForCausalLM(
        t.FalconConfig(**HEADS, new_decoder_architecture=True, num_kv_heads=1)
    ),
    "falcon_sequential": lambda t: t.FalconForCausalLM(
        t.FalconConfig(**HEADS, parallel_attn=False, new_decoder_architecture=False)
    ),
    "gptj": lambda t: t.GPTJForCausalLM(
        t.GPTJConfig(
            vocab_size=300, n_embd=16, n_layer=3, n_head=2, n_positions=64, rotary_dim=4, **TOKENS
        )
    ),
    "cohere": lambda t: t.CohereForCausalLM(t.CohereConfig(**SHAPE, **TOKENS)),
    "cohere_query_norm": lambda t: t.CohereForCausalLM(
        t.CohereConfig(**SHAPE, **TOKENS, use_qk_norm=True)
    ),
    "gpt_neox_sequential": lambda t: t.GPTNeoXForCausalLM(
        t.GPTNeoXConfig(**SHAPE, use_parallel_residual=False)
    ),
    "olmo2": lambda t: t.Olmo2ForCausalLM(t.Olmo2Config(**SHAPE, **TOKENS)),
    "modernbert": lambda t: t.ModernBertModel(
        t.ModernBertConfig(**SHAPE, **TOKENS, cls_token_id=1, sep_token_id=2)
    ),
    "opt_post_norm": lambda t: t.OPTForCausalLM(
        t.OPTConfig(
            vocab_size=300,
            max_position_embeddings=64,
            hidden_size=16,
            ffn_dim=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            word_embed_proj_dim=16,
            do_layer_norm_before=False,
        )
    ),
    "vit": lambda t: t.ViTModel(
        t.ViTConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=16,
            patch_size=4,
        )
    ),
}


def build_other(family):
    """Return a random model of a family: three blocks of width 16."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return BUILDERS[family](transformers).eval()
