"""Names that publishers give hook points, and those of this package."""

import pytest

from skdict.io.formats._hook_names import hook_point_of, layer_of, site_of


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("blocks.9.hook_resid_post", "resid_post.9"),
        ("blocks.12.attn.hook_z", "attn_heads.12"),
        ("blocks.9.ln2.hook_normalized", "blocks.9.ln2.hook_normalized"),
        ("model.layers.9", "resid_post.9"),
        ("model.layers.9.output", "resid_post.9"),
        ("model.layers.9.input", "resid_pre.9"),
        ("layers.10", "resid_post.10"),
        ("h.5", "resid_post.5"),
        ("gpt_neox.layers.3.mlp", "mlp_out.3"),
        ("layers.3.attention", "attn_out.3"),
        ("transformer.h.3.attn.c_proj.input", "attn_heads.3"),
        ("model.layers.9.self_attn.o_proj.input", "attn_heads.9"),
        ("model.layers.9.self_attn.o_proj", "model.layers.9.self_attn.o_proj"),
        ("model.layers.9.post_feedforward_layernorm.output", "mlp_out.9"),
        ("model.layers.9.pre_feedforward_layernorm.output", "mlp_in.9"),
        ("resid_post_layer_9", "resid_post.9"),
        ("resid_out_layer3", "resid_post.3"),
        ("embed_tokens", "embed_tokens"),
        ("hook_embed", "hook_embed"),
        ("resid_post.9", "resid_post.9"),
        (None, None),
    ],
)
def test_names_are_translated_or_kept(name, ours):
    assert hook_point_of(name) == ours
    assert hook_point_of(ours) == ours


def test_the_side_and_the_model_decide():
    assert hook_point_of("layers.3.mlp", side="input") == "mlp_in.3"
    assert hook_point_of("layers.3", side="input") == "resid_pre.3"
    # A norm follows, so the output of this module is not what is added to the residual stream.
    assert hook_point_of("layers.3.mlp", model="google/gemma-2-2b") == "layers.3.mlp"
    assert hook_point_of("layers.3.mlp", side="input", model="google/gemma-3-1b") == "mlp_in.3"
    assert hook_point_of("layers.3", model="google/gemma-3-1b-pt") == "resid_post.3"


def test_paths_name_sites_and_layers():
    assert site_of("a/resid_post/layer_9_width_16k_l0_medium") == "resid_post.9"
    assert site_of("a/attn_out_layer12/10_32768") == "attn_out.12"
    assert site_of("resid_post/layer_9_width", whole=True) is None
    assert site_of("layer_9") is None
    assert [layer_of(path) for path in ("layer_9/x", "layers.10.mlp", "a")] == [9, 10, None]
