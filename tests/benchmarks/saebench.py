"""Run SAEBench's own core and sparse-probing code on an adapted dictionary.

Nothing is downloaded: the model is a small random HookedTransformer, the texts are random tokens,
and the probes are trained on stored tensors of two classes. L0, explained variance and codes must
equal those of skdict. Exits with 1 if they do not.

Run, in an environment with sae-bench 0.6.0 and skdict: python tests/benchmarks/saebench.py
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

# Recent versions of jaxtyping reject the probes, whose classes are joined and then twice as long.
os.environ["JAXTYPING_DISABLE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2]))

from skdict import SparseDictionaryAutoencoder
from skdict.evaluation import to_saebench
from skdict.metrics import compare_dictionaries

WIDTH, N_FEATURES, N_TEXTS, LENGTH, VOCABULARY = 32, 128, 48, 24, 50
HOOK_NAME, TOLERANCE = "blocks.1.hook_resid_post", 1e-4
KINDS = {
    "relu": {},
    "topk": {"activation": "topk", "target_l0": 6},
    "batch_topk": {"activation": "batch_topk", "target_l0": 6, "tied_weights": False},
}


class Tokens:
    """What the core evaluation needs of an ActivationsStore: batches of tokens."""

    def __init__(self, tokens):
        self._tokens = tokens

    def get_batch_tokens(self, batch_size):
        """Return the same tokens whenever they are asked for."""
        return self._tokens[:batch_size]


def random_model():
    """Return a small HookedTransformer with random weights."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    config = HookedTransformerConfig(
        n_layers=2,
        d_model=WIDTH,
        n_ctx=LENGTH,
        d_head=8,
        n_heads=4,
        d_vocab=VOCABULARY,
        act_fn="gelu",
        seed=0,
        device="cpu",
    )
    return HookedTransformer(config)


def core(adapter, model, tokens):
    """Return L0 and explained variance by the core evaluation, and metrics of the weights."""
    from sae_bench.evals.core import main as evaluation

    metrics, _ = evaluation.get_sparsity_and_variance_metrics(
        sae=adapter,
        model=model,
        activation_store=Tokens(tokens),
        n_batches=1,
        compute_l2_norms=True,
        compute_sparsity_metrics=True,
        compute_variance_metrics=True,
        compute_featurewise_density_statistics=True,
        eval_batch_size_prompts=len(tokens),
        model_kwargs={},
    )
    return metrics, evaluation.get_featurewise_weight_based_metrics(adapter)


def probes(adapter, acts):
    """Return the accuracy of sparse probes on codes of two classes of activations."""
    from sae_bench.evals.sparse_probing import probe_training
    from sae_bench.sae_bench_utils import activation_collection

    classes = {"one": acts[: N_TEXTS // 2] + 0.5, "other": acts[N_TEXTS // 2 :]}
    codes = activation_collection.get_sae_meaned_activations(classes, adapter, 8)
    _, accuracies = probe_training.train_probe_on_activations(codes, codes, select_top_k=5)
    return codes, accuracies


def check(kind, model, tokens, acts):
    """Print the measures of one dictionary, and return True if they differ from those of skdict."""
    from sae_bench.sae_bench_utils import general_utils

    rows = acts.reshape(-1, WIDTH).numpy()
    sae = SparseDictionaryAutoencoder(N_FEATURES, max_iter=3, batch_size=128, random_state=0)
    sae = sae.set_params(**KINDS[kind]).fit(rows)
    adapter = to_saebench(sae, model_name="tiny", hook_point=HOOK_NAME, device="cpu")
    # The evaluations complete the settings in this way.
    _, adapter, _ = general_utils.load_and_format_sae(kind, adapter, "cpu")
    with torch.no_grad():
        metrics, weights = core(adapter, model, tokens)
        codes, accuracies = probes(adapter, acts)
    ours = compare_dictionaries({kind: sae}, None, rows)[kind]
    means = sae.transform(rows[-LENGTH:]).toarray().mean(axis=0)
    differences = (
        abs(metrics["l0"] - ours["l0"]),
        abs(metrics["explained_variance_legacy"] - 1 + _fvu_of_batch(sae, rows)),
        float(np.abs(codes["other"][-1].numpy() - means).max()),
    )
    print(
        f"{kind:12} L0 {metrics['l0']:.3f}, explained variance {metrics['explained_variance']:.4f}"
        f", mean encoder-decoder cosine {np.nanmean(weights['encoder_decoder_cosine_sim']):.3f}, "
        f"probe accuracy {accuracies['one']:.2f}; differences {max(differences):.1e}"
    )
    return max(differences) > TOLERANCE


def _fvu_of_batch(sae, rows):
    """Return the mean over rows of their squared errors by their squared deviations."""
    errors = np.square(rows - sae.inverse_transform(sae.transform(rows))).sum(axis=1)
    return float((errors / np.square(rows - rows.mean(axis=0)).sum(axis=1)).mean())


def main():
    """Check every kind."""
    warnings.simplefilter("ignore", FutureWarning)
    model = random_model()
    tokens = torch.randint(
        VOCABULARY, (N_TEXTS, LENGTH), generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens, names_filter=[HOOK_NAME])
    acts = cache[HOOK_NAME]
    wrong = [check(kind, model, tokens, acts) for kind in KINDS]
    sys.exit(int(any(wrong)))


if __name__ == "__main__":
    main()
