"""The options that say how a model is loaded and read reach the extractor."""

import argparse
import json

import pytest
from sklearn.utils import Bunch

from skdict import load_stories
from skdict.__main__ import main
from skdict._cli import _reading
from skdict._cli._reading import (
    READING_ARGUMENTS,
    make_extractor,
    model_code,
    parse_device_map,
)


def options_of(**given):
    defaults = {
        name.removeprefix("--").replace("-", "_"): details.get("default")
        for name, details in READING_ARGUMENTS.items()
    }
    return argparse.Namespace(**defaults | given)


def test_without_a_hook_point_the_middle_block_is_read():
    extractor = make_extractor(options_of(), None)
    assert extractor.hook_point == "resid_post.2"
    assert extractor.model == load_stories().model
    assert extractor.fit_transform(["Lily saw Tom."]).shape == (4, 128)


def test_smollm2_is_fetched_and_any_other_name_is_passed_on(monkeypatch):
    monkeypatch.setattr(_reading, "fetch_smollm2", lambda: Bunch(model="fetched/folder"))
    for name, model in (
        ("smollm2", "fetched/folder"),
        ("./smollm2", "./smollm2"),
        ("org/smollm2", "org/smollm2"),
        (None, load_stories().model),
    ):
        assert make_extractor(options_of(model=name), "resid_post.0").model == model


def test_the_code_for_a_model_is_that_of_its_name():
    assert model_code("bundled") == "load_stories().model"
    assert model_code("smollm2") == "fetch_smollm2().model"
    assert model_code("./smollm2") == "'./smollm2'"


def test_every_option_reaches_the_extractor(monkeypatch):
    monkeypatch.setattr(_reading, "ActivationExtractor", lambda *given, **named: (given, named))
    given = {
        "max_length": 12,
        "long_texts": "split",
        "model_dtype": "bfloat16",
        "device_map": {"": 0},
        "device": "cpu",
        "trust_remote_code": True,
    }
    made = make_extractor(options_of(model="weights.gguf", **given), "mlp_out.0", batch_size=4)
    assert made == (("weights.gguf", "mlp_out.0"), given | {"batch_size": 4})


def test_device_maps():
    assert parse_device_map("auto") == "auto"
    assert parse_device_map('{"": 0, "lm_head": "cpu"}') == {"": 0, "lm_head": "cpu"}
    for text in ("everywhere", "[0]", "{}", "0"):
        with pytest.raises(argparse.ArgumentTypeError, match="pass auto, or a JSON object"):
            parse_device_map(text)


@pytest.mark.parametrize("command", ["extract", "demo"])
def test_a_device_map_may_be_a_mapping_of_a_settings_file(command, tmp_path, monkeypatch):
    path, seen = tmp_path / "settings.yaml", {}
    path.write_text("device-map:\n  model.layers: 1\n  '': cpu\nmodel-dtype: auto\n")

    def refuse(*given, **named):
        seen.update(named)
        raise ValueError("seen enough")

    monkeypatch.setattr(_reading, "ActivationExtractor", refuse)
    assert main([command, "--settings", str(path), "--out", str(tmp_path / "out")]) == 1
    assert seen["device_map"] == json.loads('{"model.layers": 1, "": "cpu"}')
    assert seen["model_dtype"] == "auto"
