"""How long reading and patching take: what hooks, padding and resumed passes cost.

Prints tokens a second of extraction on the bundled model, and seconds of `patching_curve` on
pairs of indirect object identification at one layer of the bundled or another model. Seconds are
of processor time, which other programs on the machine disturb little. Run it before and after a
change, in turns, as ``PYTHONPATH=<checkout> python <this file>``.

Run: python tests/benchmarks/plumbing.py [--model FOLDER] [--layer 9] [--pairs 20] [--rounds 3]
"""

import argparse
import statistics
import time
import warnings

import numpy as np
import torch

import skdict
from skdict import ActivationExtractor, RandomDictionary, load_stories
from skdict.datasets import make_ioi
from skdict.interventions import patching_curve
from skdict.models import load_model


def extraction(rounds):
    """Return the median of tokens a CPU second over rounds, on the bundled model."""
    stories = load_stories()
    extractor = ActivationExtractor(stories.model, "resid_post.2", device="cpu")
    texts, rates = stories.texts[:300], []
    extractor.transform(texts[:8])
    for _ in range(rounds):
        start = time.process_time()
        n_tokens = len(extractor.transform(texts))
        rates.append(n_tokens / (time.process_time() - start))
    return statistics.median(rates)


def patching(folder, layer, n_pairs, n_components):
    """Return the CPU seconds of a curve, and how many prompts were run above the hook point."""
    model, tokenizer = load_model(folder, device=torch.device("cpu"))
    point, task = f"resid_post.{layer}", make_ioi(n_pairs, tokenizer, random_state=0)
    texts = [tokenizer.decode(ids) for ids in task.prompt_ids]
    rows = np.asarray(ActivationExtractor((model, tokenizer), point).transform(texts))
    dictionary = RandomDictionary(n_components, random_state=0).fit(rows)
    start = time.process_time()
    curve = patching_curve(model, point, dictionary, task, order="attribution")
    return time.process_time() - start, curve.n_forward_rows


def main():
    """Measure and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--layer", type=int, default=9)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--components", type=int, default=2304)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    print(f"{skdict.__file__}", flush=True)
    print(f"extraction {extraction(args.rounds):8.0f} tokens per CPU second", flush=True)
    folder = args.model or load_stories().model
    layer = args.layer if args.model else 2
    seconds, n_rows = patching(folder, layer, args.pairs, args.components)
    print(
        f"patching   {seconds:8.1f} CPU seconds for {n_rows} prompts above layer {layer}",
        flush=True,
    )


if __name__ == "__main__":
    main()
