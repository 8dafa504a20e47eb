"""How long a curve takes: 50 pairs of indirect object identification, 500 candidate features.

Prints seconds, candidates, prompts run above the hook point, and the area under the curve.

Run: python tests/benchmarks/patching.py [--orders attribution acdc] [--threads 2]
"""

import argparse
import time

import numpy as np
import torch

from skdict import ActivationExtractor, RandomDictionary, SparseDictionaryAutoencoder, load_stories
from skdict.datasets import make_ioi
from skdict.interventions import patching_curve
from skdict.models import load_model


def main():
    """Fit a sparse and a random dictionary of 512 features, and time a curve of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", nargs="+", default=["attribution"])
    parser.add_argument("--layer", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    stories, point = load_stories(), f"resid_post.{args.layer}"
    rows = np.asarray(ActivationExtractor(stories.model, point).transform(stories.texts[:300]))
    task = make_ioi(
        args.pairs, load_model(stories.model, device=torch.device("cpu"))[1], random_state=0
    )
    dictionaries = {
        "sae": SparseDictionaryAutoencoder(512, alpha=0.1, max_iter=4, random_state=0).fit(rows),
        "random": RandomDictionary(512, random_state=0).fit(rows),
    }
    for name, dictionary in dictionaries.items():
        for order in args.orders:
            start = time.perf_counter()
            curve = patching_curve(stories.model, point, dictionary, task, order=order)
            seconds = time.perf_counter() - start
            print(
                f"{name:7s} {order:21s} {seconds:7.1f} s  {len(curve.order):4d} candidates  "
                f"{curve.n_forward_rows:8d} prompts  area {curve.area:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
