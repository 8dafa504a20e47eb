r"""
Do a few features below make a feature fire?
============================================

The search for parents of Cunningham et al. (2023), section 5.3 and figure 5. Targets are drawn at
random from the features of the highest dictionary that fire on some but not many tokens. In
contexts where a target fires at half of its maximum or more, each feature of the dictionary below
is ablated, and the drop in the target's code is measured. The figure shows the drops by rank, and
the circuit of one target down to the lowest dictionary. It is the first target whose most frequent
token differs from that of its strongest parent, so that the circuit does more than copy one token
upward.

Writes ``circuit.csv`` with one line per target and parent, ``circuit_edges.csv`` (the circuit in
the figure), ``circuit_summary.csv`` and ``circuit.png``::

    python examples/paper/circuit.py --out paper
"""

import numpy as np
from common import (
    interval,
    paper_parser,
    read_model,
    read_texts,
    save_figure,
    size,
    with_interval,
    write_table,
)

from skdict import ActivationExtractor, SparseDictionaryAutoencoder
from skdict.interventions import find_circuit
from skdict.models import readable_pieces

# Features that fire almost everywhere mark no event, and rare ones have few contexts.
MIN_DENSITY, MAX_DENSITY = 0.001, 0.1
RANKS = (1, 2, 4, 8)


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=size([1, 2, 3], [1, 2]))
    parser.add_argument("--n-train", type=int, default=size(400, 30), help="texts to fit on")
    parser.add_argument("--n-test", type=int, default=size(150, 10), help="texts to search in")
    parser.add_argument("--n-components", type=int, default=size(512, 128))
    parser.add_argument("--alpha", type=float, default=0.1)
    parser.add_argument("--max-iter", type=int, default=size(6, 3))
    parser.add_argument("--targets", type=int, default=size(8, 2), help="targets per seed")
    parser.add_argument("--parents", type=int, default=3, help="parents per feature in the figure")
    parser.add_argument("--max-length", type=int, default=64)
    return parser.parse_args()


class Dictionaries:
    """Dictionaries after several blocks, and the tokens on which each feature fires."""

    def __init__(self, pair, texts, args, seed):
        self.fitted, self.codes = {}, {}
        self.pieces = readable_pieces(pair[1])
        for layer in sorted(args.layers):
            point = f"resid_post.{layer}"
            extractor = ActivationExtractor(pair, point, max_length=args.max_length)
            train, self.test = (extractor.fit_transform(part) for part in texts)
            sae = SparseDictionaryAutoencoder(
                args.n_components, alpha=args.alpha, max_iter=args.max_iter, random_state=seed
            )
            self.fitted[point] = sae.fit(train)
            self.codes[point] = sae.transform(self.test).tocsc()
        self.top, self.below = list(self.fitted)[-1], list(self.fitted)[-2]

    def targets(self, n, seed):
        """Return random features of the highest dictionary."""
        density = np.diff(self.codes[self.top].indptr) / len(self.test)
        allowed = np.flatnonzero((density >= MIN_DENSITY) & (density <= MAX_DENSITY))
        return np.random.default_rng(seed).permutation(allowed)[:n].tolist()

    def tokens(self, node, n=1):
        """Return the tokens with the largest share of a feature's codes."""
        column = self.codes[node[0]][:, [node[1]]].toarray().ravel()
        totals = np.bincount(self.test.token_ids, weights=column, minlength=len(self.pieces))
        return [self.pieces[i] for i in np.argsort(-totals)[:n] if totals[i] > 0]


def measured(pair, dictionaries, seed, test, args):
    """Yield a record per target and parent, strongest first."""
    top, below = dictionaries.top, dictionaries.below
    two = {point: dictionaries.fitted[point] for point in (below, top)}
    for feature in dictionaries.targets(args.targets, seed):
        found = find_circuit(
            pair,
            two,
            (top, feature),
            test,
            n_parents=max(RANKS),
            max_length=args.max_length,
            random_state=seed,
        )
        for rank, edge in enumerate(found.edges, 1):
            yield {
                "seed": seed,
                "feature": feature,
                "fires_on": dictionaries.tokens((top, feature), 4),
                "rank": rank,
                "parent": edge["parent"][1],
                "parent_fires_on": dictionaries.tokens(edge["parent"], 4),
                "relative_drop": edge["relative_drop"],
            }


def circuit_of(pair, dictionaries, records, seed, test, args):
    """Return the edges of the circuit of the first target that is more than one token."""
    strongest = [r for r in records if r["rank"] == 1]
    if not strongest:
        raise SystemExit("no target has a parent; draw more targets with --targets")
    more = [r for r in strongest if r["fires_on"][:1] != r["parent_fires_on"][:1]]
    feature = (more or strongest)[0]["feature"]
    found = find_circuit(
        pair,
        dictionaries.fitted,
        (dictionaries.top, feature),
        test,
        n_parents=args.parents,
        max_length=args.max_length,
        random_state=seed,
    )
    edges = []
    for edge in found.edges:
        named = {"relative_drop": edge["relative_drop"]}
        for end in ("parent", "child"):
            named |= {end: edge[end], f"{end}_fires_on": dictionaries.tokens(edge[end], 3)}
        edges.append(named)
    return edges


def summary(records):
    """Return the summary table: means over targets, with intervals over seeds."""
    rows = []

    def add(name, value):
        per_seed = []
        for seed in dict.fromkeys(r["seed"] for r in records):
            targets = {}
            for r in records:
                if r["seed"] == seed:
                    targets.setdefault(r["feature"], []).append(r)
            per_seed.append(np.mean([value(parents) for parents in targets.values()]))
        rows.append({"measure": name, "mean": with_interval(*interval(per_seed))})

    for rank in RANKS:
        # A target with fewer parents has no drop at this rank.
        name = f"relative drop, parent of rank {rank}"
        add(name, lambda p, rank=rank: p[rank - 1]["relative_drop"] if len(p) >= rank else 0.0)
    add("share of targets that one parent lowers by half", lambda p: p[0]["relative_drop"] >= 0.5)
    add(
        "share of targets whose strongest parent fires most on the same token",
        lambda p: p[0]["fires_on"][:1] == p[0]["parent_fires_on"][:1],
    )
    return rows


def draw(records, edges, path):
    """Draw the drops by rank and a circuit."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.6), layout="constrained", width_ratios=(1, 2.2)
    )
    ranks = range(1, max(RANKS) + 1)
    drops = [[r["relative_drop"] for r in records if r["rank"] == rank] for rank in ranks]
    left.boxplot([d for d in drops if d], whis=(5, 95), showfliers=False)
    left.set(xlabel="rank of the parent", ylabel="relative drop in the target")
    draw_circuit(right, edges)
    save_figure(figure, path)


def draw_circuit(axis, edges):
    """Draw the nodes of a circuit by hook point, with the tokens on which they fire."""
    nodes = {}
    for edge in edges:
        for end in ("child", "parent"):
            nodes.setdefault(edge[end], edge[f"{end}_fires_on"])
    places = sorted({point for point, _ in nodes}, key=lambda point: int(point.split(".")[1]))
    where = {}
    for height, place in enumerate(places):
        here = [node for node in nodes if node[0] == place]
        for i, node in enumerate(here):
            where[node] = (i + 0.5) / len(here), height
    for edge in edges:
        (x0, y0), (x1, y1) = where[edge["parent"]], where[edge["child"]]
        axis.plot((x0, x1), (y0, y1), color="C0", lw=max(0.4, 6 * edge["relative_drop"]), alpha=0.4)
    for node, tokens in nodes.items():
        text = f"{node[1]}\n" + "\n".join(tokens)
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.5"}
        axis.text(*where[node], text, ha="center", va="center", fontsize=8, bbox=box)
    axis.set(yticks=range(len(places)), yticklabels=places, xticks=[], xlim=(0, 1))
    axis.margins(y=0.15)
    axis.set_title("a circuit: feature numbers and the tokens on which they fire")


def main():
    """Search with each seed, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pair = read_model(args)
    texts = read_texts(args, args.n_train, args.n_test)
    records, edges = [], None
    for seed in args.seeds:
        dictionaries = Dictionaries(pair, texts, args, seed)
        new = list(measured(pair, dictionaries, seed, texts[1], args))
        records += new
        if edges is None:
            edges = circuit_of(pair, dictionaries, new, seed, texts[1], args)
        write_table(records, args.out / "circuit.csv")
        print(f"searched with seed {seed}", flush=True)
    write_table(edges, args.out / "circuit_edges.csv")
    write_table(summary(records), args.out / "circuit_summary.csv")
    draw(records, edges, args.out / "circuit.png")


if __name__ == "__main__":
    main()
