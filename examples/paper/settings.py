"""Sizes of the experiments for each model.

Both models are treated alike: five blocks spread evenly, one of them in detail, dictionaries of
four times the width. What differs follows from the size of the model and from what it costs to run.
"""

import os
from dataclasses import dataclass, replace

BUNDLED, SMOLLM2 = "bundled", "smollm2"


@dataclass(frozen=True)
class Setting:
    """Sizes of the experiments on one model.

    Parameters
    ----------
    layers : tuple of int
        Blocks at which experiments on every layer are run.
    layer : int
        Block of the experiments on a single layer.
    mlp_layers : tuple of int
        Blocks whose MLP outputs are compared with the residual stream.
    train_tokens, test_tokens : int
        Number of tokens to fit on, and of tokens of other documents to measure on.
    max_length : int
        Maximum number of tokens per document.
    dtype : {"float32", "float16"}
        Type of the stored activations.
    alphas : tuple of float
        Strengths of the penalty in experiments over sparsity, the strongest first.
    alpha : float
        Strength of the penalty in the other experiments.
    target_l0 : float
        L0 of the untied, refitted and BatchTopK dictionaries.
    max_iter : int
        Number of epochs.
    n_explained : int
        Number of features explained per dictionary.
    seeds : tuple of int
        Random seeds.
    """

    layers: tuple
    layer: int
    mlp_layers: tuple
    train_tokens: int
    test_tokens: int
    max_length: int
    dtype: str
    alphas: tuple
    alpha: float
    target_l0: float
    max_iter: int
    n_explained: int
    seeds: tuple


SETTINGS = {
    BUNDLED: Setting(
        layers=(0, 1, 2, 3, 4),
        layer=2,
        mlp_layers=(1, 3),
        train_tokens=60_000,
        test_tokens=40_000,
        max_length=256,
        dtype="float32",
        alphas=(0.4, 0.2, 0.1, 0.05),
        alpha=0.2,
        target_l0=16,
        max_iter=8,
        n_explained=60,
        seeds=(0, 1, 2),
    ),
    SMOLLM2: Setting(
        layers=(3, 9, 15, 21, 27),
        layer=9,
        mlp_layers=(3, 9, 15, 21, 27),
        train_tokens=300_000,
        test_tokens=150_000,
        max_length=256,
        dtype="float16",
        alphas=(0.2, 0.1, 0.05, 0.025),
        alpha=0.1,
        target_l0=32,
        max_iter=4,
        n_explained=60,
        seeds=(0, 1),
    ),
}


def reduced():
    """Return True if the environment asks for runs that are small and mean nothing."""
    return bool(os.environ.get("SKDICT_EXAMPLES_FAST"))


def size(full, small):
    """Return the default of an option: the small one if SKDICT_EXAMPLES_FAST is set."""
    return small if reduced() else full


def setting_of(model):
    """Return the sizes for a model; those of SmolLM2 for models other than the two."""
    setting = SETTINGS.get(model, SETTINGS[SMOLLM2])
    if not reduced():
        return setting
    small = {"layers": setting.layers[1:3], "mlp_layers": setting.layers[1:2], "max_length": 64}
    small |= {"layer": setting.layers[2], "alphas": (0.2, 0.1), "max_iter": 1, "seeds": (0,)}
    return replace(setting, train_tokens=3000, test_tokens=2000, **small)
