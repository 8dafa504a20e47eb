"""FVU, L0 and dead features on every layer of a real model, beside PCA at equal sparsity.

Run: python tests/benchmarks/layers.py --model FOLDER --train stories.txt --test other.txt
"""

import argparse
import time
from pathlib import Path

from sklearn.decomposition import PCA

from skdict import SparseDictionaryAutoencoder
from skdict.feature_extraction import ActivationExtractor
from skdict.metrics import compare_dictionaries

SEPARATOR = "<|endoftext|>"
CUTS = (4, 8, 16)


def read(path, max_characters):
    """Return the texts of a file, long ones in pieces that end with a word.

    So the whole file is read: a text longer than the model's context would be cut.
    """
    texts = [t.strip() for t in Path(path).read_text("utf-8").split(SEPARATOR) if t.strip()]
    pieces = []
    for text in texts:
        while len(text) > max_characters:
            end = text.rfind(" ", 1, max_characters)
            end = end if end > 0 else max_characters
            pieces.append(text[:end])
            text = text[end:].strip()
        pieces.append(text)
    return pieces


def measure_layer(layer, args, train_texts, test_texts):
    """Print the table of one layer."""
    extractor = ActivationExtractor(args.model, f"resid_post.{layer}", max_length=args.max_length)
    train, test = extractor.fit_transform(train_texts), extractor.transform(test_texts)
    print(f"layer {layer}: {train.shape} train, {test.shape} test", flush=True)
    pca = PCA(train.shape[1]).fit(train)
    cut = {k: compare_dictionaries({"pca": pca}, None, test, n_active=k) for k in CUTS}
    print("  pca   " + "  ".join(f"fvu@{k} {cut[k]['pca']['fvu']:.3f}" for k in CUTS))
    for alpha in args.alphas:
        start = time.perf_counter()
        sae = SparseDictionaryAutoencoder(args.n_components, alpha=alpha, random_state=0)
        sae.fit(train)
        seconds = time.perf_counter() - start
        whole = compare_dictionaries({"sae": sae}, None, test)["sae"]
        k = max(1, round(whole["l0"]))
        rival = compare_dictionaries({"pca": pca}, None, test, n_active=k)["pca"]["fvu"]
        line = f"  alpha {alpha:<5} fvu {whole['fvu']:.3f}  l0 {whole['l0']:5.2f}"
        line += f"  dead {whole['n_dead']}  pca@{k} {rival:.3f}  |"
        for k in CUTS:
            record = compare_dictionaries({"sae": sae}, None, test, n_active=k)["sae"]
            line += f"  fvu@{k} {record['fvu']:.3f}"
        print(f"{line}  ({seconds:.0f} s)", flush=True)


def main():
    """Measure every layer asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.05, 0.1, 0.2, 0.5])
    parser.add_argument("--n-components", type=int, default=256)
    parser.add_argument("--max-length", type=int, default=512, help="tokens")
    parser.add_argument("--max-characters", type=int, default=800, help="in a piece of text")
    args = parser.parse_args()
    train_texts, test_texts = (read(path, args.max_characters) for path in (args.train, args.test))
    for layer in args.layers:
        measure_layer(layer, args, train_texts, test_texts)


if __name__ == "__main__":
    main()
