"""Damaged files of every family: refused with a reason that names the file, in bounded memory.

Campaigns of 1,000 mutations each are marked slow; a small share of them runs always.
"""

import json
import warnings

import numpy as np
import pytest

from skdict.io import load_dictionary
from tests.fuzzing import campaign
from tests.io.formats.layouts import CASES
from tests.io.formats.mutations import damage
from tests.test_fuzzing import Reader

FAMILIES = (
    "saelens gated",
    "saelens legacy topk",
    "dictionary_learning BatchTopKSAE",
    "crosscoder_learning",
    "sparsify skip",
    "gemma scope",
    "gemma scope 2 transcoder",
    "openai topk",
    "llama scope",
    "llamascopium",
    "llamascopium pt",
    "goodfire",
    "qwen scope",
    "circuit tracer jumprelu",
    "e2e_sae",
)


def reader(name, folder):
    """Return a `Reader` of one family."""
    path = CASES[name](folder / "sae", np.float32).path.relative_to(folder)

    def write(work):
        layout = CASES[name](work / "sae", np.float32)
        layout.save(layout.tensors)

    def read(work):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dictionary = load_dictionary(work / path)
        state = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in vars(dictionary).items()}
        return json.dumps(state, sort_keys=True, default=str)

    write(folder / "probe")
    files = [p for p in (folder / "probe").rglob("*") if p.is_file()]
    # Settings above the folder only describe the dictionary.
    names = [str(p.relative_to(folder / "probe")) for p in files if "run/config" not in str(p)]
    names = tuple(sorted(names))

    def harm(work, chance):
        layout = CASES[name](work / "sae", np.float32)
        return damage(layout, [work / name for name in names], chance)

    return Reader(name, write, read, names, has_hash=False, damage=harm)


@pytest.mark.parametrize(
    ("n_mutations", "seed"),
    [(20, 0), pytest.param(1000, 1, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
@pytest.mark.parametrize("name", FAMILIES)
def test_damage_is_refused_with_a_reason(name, tmp_path, n_mutations, seed):
    family = reader(name, tmp_path / "layout")
    counts, examples = campaign(family, tmp_path / "campaign", n_mutations, seed)
    print(name, dict(counts))
    assert not examples, "\n".join(examples[:20])
    assert counts["refused"] > n_mutations / 5


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a/../../b", "\\\\host\\share", "layer_1.safetensors\x00"],
)
def test_names_in_settings_open_no_other_file(name, tmp_path, monkeypatch):
    layout = CASES["saelens standard"](tmp_path / "sae", np.float32)
    layout.save(layout.tensors)
    path = tmp_path / "sae" / "cfg.json"
    config = json.loads(path.read_text())
    for key in ("model_name", "hook_name"):
        config["metadata"][key] = name
    path.write_text(json.dumps(config | {"weights": name, "base": [name]}))
    assert load_dictionary(tmp_path / "sae").metadata_["model"] == name
    index = tmp_path / "sharded" / "model.safetensors.index.json"
    index.parent.mkdir()
    index.write_text(json.dumps({"weight_map": {"W_enc": name}}))
    with pytest.raises(FileNotFoundError, match="none of these"):
        load_dictionary(index.parent)
