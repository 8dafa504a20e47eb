"""Compare the parents of features by weights with those by ablation.

    python tests/benchmarks/parents.py [--model FOLDER --texts FILE] [--lower 2 --upper 3]

Two pairs are fitted: transcoders of the MLPs of two blocks, and dictionaries of the residual stream
after them. For each of 20 features of the upper one, lower features are ranked by the drop of its
code in drawn contexts when they are ablated, as `find_circuit` does, and

- by virtual weights,
- by expected contributions over all tokens,
- by expected contributions over the tokens at which the upper feature fires,
- by weights times mean codes at the ends of the same contexts.

Ranked are the lower features that fire anywhere in the contexts and, in a second table, those that
fire at their ends, where the code is read. Only these can contribute directly; others act through
attention.

Prints the Spearman rank correlation of each ranking with that by drops, as mean over targets, and
its null: drops shuffled among the lower features of each target. The last columns are the share of
the five largest drops that are among the five highest ranked, and the share expected by chance.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from measuring import print_table
from scipy.stats import rankdata
from tqdm import tqdm

from skdict import SparseDictionaryAutoencoder, SparseTranscoder, load_stories
from skdict.decomposition import to_torch
from skdict.feature_extraction import extract_activations
from skdict.interventions import virtual_weights
from skdict.models import ForwardFrom, capture, encode_texts, find_hook_point, load_model, pad

SCORES = ("weights", "contributions", "contributions, firing", "contributions, contexts")
WHERE = ("anywhere in contexts", "at the ends of contexts")
OVER = ("all", "firing")
# Fewer lower features than this are not ranked.
MIN_RANKED = 10
SEPARATOR = "<|endoftext|>"


def main():
    """Fit the two pairs, and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", help="default: the bundled model")
    parser.add_argument("--texts", help=f"file of texts with {SEPARATOR} between; default: bundled")
    parser.add_argument("--lower", type=int, default=2, help="block of the lower dictionary")
    parser.add_argument("--upper", type=int, default=3, help="block of the upper dictionary")
    parser.add_argument("--n-texts", type=int, default=1000)
    parser.add_argument("--n-components", type=int, default=512)
    parser.add_argument("--target-l0", type=float, default=8)
    parser.add_argument("--max-iter", type=int, default=10, help="epochs")
    parser.add_argument("--n-features", type=int, default=20, help="targets")
    parser.add_argument("--n-contexts", type=int, default=10, help="contexts per target")
    parser.add_argument("--max-length", type=int, default=64, help="tokens of a context")
    parser.add_argument("--batch-size", type=int, default=256)
    args = parser.parse_args()
    stories = load_stories()
    texts = stories.texts
    if args.texts:
        texts = Path(args.texts).read_text(encoding="utf-8").split(SEPARATOR)
    # In an order of their own, because the bundled texts are sorted by kind.
    order = np.random.default_rng(0).permutation(len(texts))[: args.n_texts]
    texts = [texts[i].strip() for i in order if texts[i].strip()]
    model = load_model(args.model or stories.model, device=torch.device("cpu"))
    n_held_out = len(texts) // 5
    for kind in ("transcoder", "dictionary"):
        compare(kind, model, texts[n_held_out:], texts[:n_held_out], args)


def compare(kind, model, train, test, args):
    """Fit a pair and print how well its parents agree."""
    start, blocks = time.perf_counter(), (args.upper, args.lower)
    if kind == "transcoder":
        points = [(f"mlp_in.{block}", f"mlp_out.{block}") for block in blocks]
    else:
        points = [(f"resid_post.{block}",) * 2 for block in blocks]
    rows = extract_activations(model, sorted({name for pair in points for name in pair}), train)
    options = {"activation": "batch_topk", "target_l0": args.target_l0, "random_state": 0}
    options |= {"max_iter": args.max_iter}
    fitted = []
    for reads, writes in points:
        if kind == "transcoder":
            estimator = SparseTranscoder(args.n_components, **options)
            fitted.append(estimator.fit(rows[reads], rows[writes]))
        else:
            estimator = SparseDictionaryAutoencoder(args.n_components, **options)
            fitted.append(estimator.fit(rows[reads]))
    places = points if kind == "transcoder" else [point[0] for point in points]
    options = {"model": model, "hook_points": places, "texts": test, "max_length": args.max_length}
    found = {over: virtual_weights(*fitted, **options, average_over=over) for over in OVER}
    weights, contributions = found["all"].weights, [found[over].contributions for over in OVER]
    ablation = Ablation(model, fitted, points, test, args)
    results = {where: [] for where in WHERE}
    for feature in tqdm(ablation.targets(args.n_features), desc=kind):
        drops, codes, fires = ablation.drops(feature)
        scores = [weights[feature], *(c[feature] for c in contributions), weights[feature] * codes]
        for where, mask in (
            ("anywhere in contexts", fires),
            ("at the ends of contexts", codes > 0),
        ):
            if mask.sum() >= MIN_RANKED:
                results[where].append(agreement(np.array(scores)[:, mask], drops[mask]))
    for where, agreements in results.items():
        report(f"{kind}: lower features that fire {where}", agreements)
    print(f"  {time.perf_counter() - start:.0f} s", flush=True)


class Ablation:
    """Codes of two dictionaries on texts, and drops of upper codes by ablation of lower features.

    Parameters
    ----------
    model : (PreTrainedModel, PreTrainedTokenizerBase)
        Loaded model.
    fitted : (estimator, estimator)
        Upper and lower dictionary.
    points : ((str, str), (str, str))
        Hook points at which each reads and writes.
    texts : list of str
        Texts to draw contexts from.
    args : Namespace
        Options of the command.
    """

    def __init__(self, model, fitted, points, texts, args):
        self.model, self.args = model[0], args
        self.upper, self.lower = (to_torch(one, device="cpu") for one in fitted)
        (self.above, _), (self.reads, self.writes) = points
        self.rng = np.random.default_rng(0)
        self.ids = [
            [*text.prefix, *text.body][: args.max_length] for text in encode_texts(model[1], texts)
        ]
        self.codes = [self.upper.encode(self.read(ids)[self.above][0]).numpy() for ids in self.ids]

    @torch.no_grad()
    def read(self, ids):
        """Return the activations of one text at both hook points that are encoded."""
        points = {name: find_hook_point(self.model, name) for name in (self.above, self.reads)}
        with capture(points) as values:
            self.model(torch.tensor(ids)[None])
        return values

    def targets(self, n_features):
        """Draw features that fire on between 0.1 and 10 % of the tokens."""
        density = np.concatenate([codes[1:] > 0 for codes in self.codes]).mean(axis=0)
        frequent = np.flatnonzero((density > 1e-3) & (density < 0.1))
        return self.rng.permutation(frequent)[:n_features]

    @torch.no_grad()
    def drops(self, feature):
        """Return the mean drop by lower feature, its mean code at the target, and if it fires."""
        contexts = self.contexts(feature)
        ids, mask = pad([self.ids[text][: end + 1] for text, end in contexts], "cpu")
        ends = torch.tensor([end for _, end in contexts])
        resumed = ForwardFrom(self.model, self.writes, ids, mask)
        codes = torch.zeros(*ids.shape, len(self.lower.components))
        for row, (text, end) in enumerate(contexts):
            x = self.read(self.ids[text][: end + 1])[self.reads][0]
            codes[row, 1 : end + 1] = self.lower.encode(x)[1:]
        rows = torch.arange(len(contexts))
        before = self.activation(resumed, rows, resumed.hidden, ends, feature)
        which, at = (codes != 0).any(dim=1).T.nonzero(as_tuple=True)
        drops = torch.zeros(len(self.lower.components), dtype=torch.float64)
        for p, r in zip(
            which.split(self.args.batch_size), at.split(self.args.batch_size), strict=True
        ):
            x = resumed.hidden[r] - codes[r, :, p][..., None] * self.lower.components[p][:, None]
            drops.index_add_(0, p, before[r] - self.activation(resumed, r, x, ends, feature))
        fires = (codes != 0).flatten(0, 1).any(dim=0).numpy()
        return drops.numpy() / len(contexts), codes[rows, ends].mean(dim=0).numpy(), fires

    def contexts(self, feature):
        """Draw positions (text, end) at which a code is at least half of its maximum."""
        largest = max(codes[1:, feature].max() for codes in self.codes if len(codes) > 1)
        found = [
            (text, end + 1)
            for text, codes in enumerate(self.codes)
            for end in np.flatnonzero(codes[1:, feature] >= largest / 2)
        ]
        chosen = self.rng.permutation(len(found))[: self.args.n_contexts]
        return [found[i] for i in sorted(chosen)]

    def activation(self, resumed, rows, x, ends, feature):
        """Return the codes of the target at the ends of contexts."""
        read = resumed.read(self.above, rows, x)[torch.arange(len(rows)), ends[rows]]
        return self.upper.encode(read)[:, feature].double()


def agreement(scores, drops, n_shuffles=200, n_top=5):
    """Return what one target adds to the table: correlations, their null, shares of the top."""
    rng = np.random.default_rng(0)
    ranks, top = rankdata(scores, axis=1), set(np.argsort(-drops)[:n_top])
    shuffled = [drops, *(rng.permutation(drops) for _ in range(n_shuffles))]
    correlations = np.array([[spearman(r, rankdata(d)) for r in ranks] for d in shuffled])
    shared = [len(top & set(np.argsort(-score)[:n_top])) / n_top for score in scores]
    return correlations[0], correlations[1:], shared, n_top / len(drops)


def spearman(ranks, others):
    """Return the correlation of two rows of ranks."""
    return np.corrcoef(ranks, others)[0, 1]


def report(title, agreements):
    """Print the means over targets with their null."""
    correlations, nulls, shared, chance = map(np.array, zip(*agreements, strict=True))
    # The null of the mean over targets shuffles all of them at once.
    null, table = nulls.mean(axis=0), []
    for i, score in enumerate(SCORES):
        column = correlations[:, i]
        spread = [column.mean(), column.min(), column.max(), null[:, i].mean()]
        top = [shared[:, i].mean(), chance.mean()]
        table.append([score, *spread, np.quantile(null[:, i], 0.95), *top])
    columns = ["ranked by", "Spearman", "min", "max", "null", "null, 95 %", "top 5", "by chance"]
    print_table(f"{title}, {len(correlations)} targets", columns, table)


if __name__ == "__main__":
    main()
