"""Random models of families with other kinds of pass: state spaces, encoders with decoders."""

import torch
import transformers

COMMON = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 3}
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
