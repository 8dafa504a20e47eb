"""Names lead to the right modules, or to a list of what there is."""

import pytest

from skdict.models import find_module, hook_points


def test_blocks_are_found_by_structure(tiny_model):
    assert hook_points(tiny_model) == ["resid_post.0", "resid_post.1", "resid_post.2"]
    for index in range(3):
        assert f"{index}" in _path(tiny_model, find_module(tiny_model, f"resid_post.{index}"))


def test_module_paths(tiny_model):
    for path, module in list(tiny_model.named_modules())[1:]:
        assert find_module(tiny_model, path) is module


def _path(model, wanted):
    return next(path for path, module in model.named_modules() if module is wanted)


@pytest.mark.parametrize(
    ("hook_point", "error", "message"),
    [
        ("resid_post.3", ValueError, "'resid_post.0' to 'resid_post.2'"),
        ("resid.6", ValueError, r"'resid_post\.<block>' or the path of a module; this model has"),
        ("", ValueError, "not found"),
        (2, TypeError, "pass a string such as 'resid_post.2'"),
    ],
)
def test_bad_hook_points(tiny_model, hook_point, error, message):
    with pytest.raises(error, match=message):
        find_module(tiny_model, hook_point)
