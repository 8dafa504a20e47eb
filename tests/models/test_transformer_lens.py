"""Hook points have one TransformerLens name each, and are found by it again."""

import pytest

from skdict.models import from_transformer_lens, hook_points, to_transformer_lens


def test_every_hook_point_is_translated_and_back(tiny_model):
    names = hook_points(tiny_model)
    assert len({name.partition(".")[0] for name in names}) >= 7
    theirs = [to_transformer_lens(name) for name in names]
    assert len(set(theirs)) == len(names)
    assert [from_transformer_lens(name) for name in theirs] == names


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("resid_pre.0", "blocks.0.hook_resid_pre"),
        ("resid_mid.3", "blocks.3.hook_resid_mid"),
        ("resid_post.11", "blocks.11.hook_resid_post"),
        ("attn_heads.3", "blocks.3.attn.hook_z"),
        ("mlp_in.3", "blocks.3.mlp.hook_in"),
        ("mlp_act.3", "blocks.3.mlp.hook_post"),
    ],
)
def test_names_are_transformer_lens_own(ours, theirs):
    assert to_transformer_lens(ours) == theirs
    assert from_transformer_lens(theirs) == ours


@pytest.mark.parametrize("name", ["blocks.2.hook_mlp_in", "hook_embed", "resid_post.2", "h.2", ""])
def test_other_names_have_no_hook_point(name):
    assert from_transformer_lens(name) is None


@pytest.mark.parametrize("name", ["transformer.h.2", "resid_post", "blocks.2.hook_resid_post", ""])
def test_other_names_have_no_transformer_lens_name(name):
    assert to_transformer_lens(name) is None
