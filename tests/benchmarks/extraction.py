"""Reading one layer with a hook and an early stop, against `output_hidden_states`.

Run: python tests/benchmarks/extraction.py [--layers 12] [--width 256]
"""

import argparse
import statistics
import time

import numpy as np
import torch
from transformers import AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM

from skdict import ActivationExtractor, load_stories


@torch.inference_mode()
def plain_loop(model, tokenizer, texts, layer, batch_size):
    """Return rows as a script would gather them: all hidden states, texts in given order."""
    rows = []
    tokenizer.pad_token = tokenizer.eos_token
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(
            texts[start : start + batch_size],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=256,
        )
        states = model(**batch, output_hidden_states=True).hidden_states[layer + 1]
        keep = batch["attention_mask"].bool()
        keep[:, 0] = False
        rows.append(states[keep].numpy())
    return np.concatenate(rows)


def main():
    """Time both, interleaved, and compare what they give."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    stories = load_stories()
    texts = stories.texts[: args.texts]
    tokenizer = AutoTokenizer.from_pretrained(stories.model)
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer),
        hidden_size=args.width,
        intermediate_size=4 * args.width,
        num_hidden_layers=args.layers,
        num_attention_heads=8,
        max_position_embeddings=512,
    )
    model = GPTNeoXForCausalLM(config).eval()
    layer = args.layers // 2 - 1
    extractor = ActivationExtractor((model, tokenizer), f"resid_post.{layer}")
    times = {"plain loop": [], "extractor": []}
    for _ in range(args.rounds):
        start = time.perf_counter()
        expected = plain_loop(model, tokenizer, texts, layer, 32)
        times["plain loop"].append(time.perf_counter() - start)
        start = time.perf_counter()
        acts = extractor.transform(texts)
        times["extractor"].append(time.perf_counter() - start)
    plain, ours = (statistics.median(times[name]) for name in ("plain loop", "extractor"))
    difference = np.abs(np.asarray(acts) - expected).max()
    print(f"layer {layer} of {args.layers}, width {args.width}, {len(acts)} tokens")
    print(f"plain loop {plain:.2f} s, extractor {ours:.2f} s: {plain / ours:.2f} times as fast")
    print(f"largest difference {difference:.1e}")


if __name__ == "__main__":
    main()
