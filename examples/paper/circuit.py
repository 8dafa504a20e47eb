r"""
Do a few features below make a feature fire?
============================================

The search for parents of Cunningham et al. (2023), section 5.3 and figure 5. Targets are drawn at
random from the features of the highest of three dictionaries that fire on some but not many tokens.
In contexts where a target fires at half of its maximum or more, each feature of the dictionary
below is ablated, and the drop in the target's code is measured. To compare with chance, the same is
measured for random features among those that fire in such contexts. The figure shows the drops by
rank, and the circuit of one target down to the lowest dictionary. It is the first target whose most
frequent token differs from that of its strongest parent, so that the circuit does more than copy
one token upward.

Writes ``circuit.csv`` with one line per target and parent, ``circuit_edges.csv`` (the circuit in
the figure), ``circuit_summary.csv`` and ``circuit.png``::

    python examples/paper/circuit.py --out paper
    python examples/paper/circuit.py --model smollm2 --text wikitext.txt --out smollm2
"""

from contextlib import nullcontext

import numpy as np
import torch
from common import complete, interval, paper_parser, save_figure, with_interval, write_table
from methods import fitted_sparse
from settings import size
from workspace import Workspace

from skdict.interventions import Ablate, find_circuit, intervene
from skdict.models import capture, find_hook_point, readable_pieces

# Features that fire almost everywhere mark no event, and rare ones have few contexts.
MIN_DENSITY, MAX_DENSITY = 0.001, 0.1
RANKS = (1, 2, 4, 8)
N_CONTEXTS, N_RANDOM = 20, 8


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    layers = size(setting.layers[1:4], setting.layers)
    parser.add_argument("--layers", type=int, nargs="+", default=layers)
    parser.add_argument("--texts", type=int, default=size(150, 10), help="texts to search in")
    parser.add_argument("--context", type=int, default=64, help="tokens read from each of them")
    parser.add_argument("--targets", type=int, default=size(8, 2), help="targets per seed")
    parser.add_argument("--parents", type=int, default=3, help="parents per feature in the figure")
    return parser.parse_args()


class Search:
    """Dictionaries after several blocks, fitted with one seed, and texts to search in."""

    def __init__(self, workspace, seed):
        self.args, self.pair, self.seed = workspace.args, workspace.pair, seed
        self.texts = workspace.test_texts[: self.args.texts]
        self.pieces = readable_pieces(self.pair[1])
        self.fitted, self.codes = {}, {}
        for layer in sorted(self.args.layers):
            point = f"resid_post.{layer}"
            rows = workspace.rows(point)
            self.fitted[point] = fitted_sparse(workspace, rows, seed)
            here = (rows.test.documents < len(self.texts)) & (
                rows.test.positions < self.args.context
            )
            self.test = rows.test[np.flatnonzero(here)]
            codes = self.fitted[point].transform(np.asarray(self.test, dtype=np.float32))
            self.codes[point] = codes.tocsc()
        self.below, self.top = list(self.fitted)[-2:]

    def targets(self):
        """Return random features of the highest dictionary."""
        density = np.diff(self.codes[self.top].indptr) / len(self.test)
        allowed = np.flatnonzero((density >= MIN_DENSITY) & (density <= MAX_DENSITY))
        return np.random.default_rng(self.seed).permutation(allowed)[: self.args.targets].tolist()

    def code(self, point, feature):
        """Return the code of a feature on all rows, as a dense array."""
        return self.codes[point][:, [feature]].toarray().ravel()

    def tokens(self, point, feature, n=1):
        """Return the tokens with the largest share of a feature's codes, as text."""
        code = self.code(point, feature)
        totals = np.bincount(self.test.token_ids, weights=code, minlength=len(self.pieces))
        best = [i for i in np.argsort(-totals)[:n] if totals[i] > 0]
        return " | ".join(repr(self.pieces[i]) for i in best)

    def circuit(self, feature, points, n_parents):
        """Return the edges below a feature of the highest dictionary, through some hook points."""
        found = find_circuit(
            self.pair,
            {point: self.fitted[point] for point in points},
            (self.top, feature),
            self.texts,
            n_contexts=N_CONTEXTS,
            n_parents=n_parents,
            max_length=self.args.context,
            random_state=self.seed,
        )
        return found.edges

    def random_drop(self, feature):
        """Return the mean relative drop in a target after ablating random features below it."""
        rng, code = np.random.default_rng((self.seed, feature)), self.code(self.top, feature)
        contexts = rng.permutation(np.flatnonzero(code >= code.max() / 2))[:N_CONTEXTS]
        places = self.test.documents[contexts], self.test.positions[contexts]
        lower = self.codes[self.below].tocsr()
        active = set()
        for document, position in zip(*places, strict=True):
            same = self.test.documents == document
            active.update(lower[np.flatnonzero(same & (self.test.positions <= position))].indices)
        chosen = rng.permutation(sorted(active))[:N_RANDOM].tolist()
        before = self._target_codes(feature, *places)
        after = [self._target_codes(feature, *places, Ablate(parent)) for parent in chosen]
        return float(1 - np.mean(after) / before.mean())

    def _target_codes(self, feature, documents, positions, edit=None):
        """Return the codes of a target at some positions, under an edit of the features below."""
        model, tokenizer = self.pair
        edited, rows = nullcontext(), []
        if edit is not None:
            edited = intervene(model, self.below, self.fitted[self.below], edit)
        points = {"x": find_hook_point(model, self.top)}
        with torch.no_grad(), edited:
            for document, position in zip(documents, positions, strict=True):
                ids = tokenizer(self.texts[document])["input_ids"][: position + 1]
                with capture(points) as values:
                    model(torch.tensor([ids]))
                rows.append(values["x"][0, -1])
        codes = self.fitted[self.top].transform(torch.stack(rows).numpy())
        return codes[:, [feature]].toarray().ravel()


def parents_of(search, feature):
    """Return a record per parent of a target, strongest first."""
    edges = search.circuit(feature, (search.below, search.top), max(RANKS))
    fires_on, random_drop = search.tokens(search.top, feature, 4), search.random_drop(feature)
    records = []
    for rank, edge in enumerate(edges, 1):
        place, parent = edge["parent"]
        record = {
            "fires_on": fires_on,
            "random_drop": random_drop,
            "rank": rank,
            "parent": parent,
            "parent_fires_on": search.tokens(place, parent, 4),
            "same_token": int(search.tokens(search.top, feature) == search.tokens(place, parent)),
            "relative_drop": edge["relative_drop"],
        }
        records.append(record)
    return records


def circuit_of(search, feature):
    """Return a record per edge of the circuit of a target down to the lowest dictionary."""
    records = []
    for edge in search.circuit(feature, search.fitted, search.args.parents):
        record = {"relative_drop": edge["relative_drop"]}
        for end in ("parent", "child"):
            place, number = edge[end]
            record |= {f"{end}_at": place, end: number}
            record[f"{end}_fires_on"] = search.tokens(place, number, 3)
        records.append(record)
    return records


def shown_target(records):
    """Return the job of the first target that does more than copy one token upward."""
    strongest = [r for r in records if r["rank"] == 1]
    if not strongest:
        raise SystemExit("no target has a parent; draw more targets with --targets")
    more = [r for r in strongest if not r["same_token"]]
    return {key: (more or strongest)[0][key] for key in ("seed", "feature")}


def summary(records):
    """Return the summary table: means over targets, with intervals over seeds."""
    targets, rows = {}, []
    for r in records:
        targets.setdefault(r["seed"], {}).setdefault(r["feature"], []).append(r)

    def add(name, value, digits=2):
        per_seed = [np.mean([value(p) for p in group.values()]) for group in targets.values()]
        rows.append({"measure": name, "mean": with_interval(*interval(per_seed), digits)})

    for rank in RANKS:
        # A target with fewer parents has no drop at this rank.
        name = f"relative drop, parent of rank {rank}"
        add(name, lambda p, rank=rank: p[rank - 1]["relative_drop"] if len(p) >= rank else 0.0)
    add("relative drop, random feature that fires", lambda p: p[0]["random_drop"], digits=3)
    add("share of targets that one parent lowers by half", lambda p: p[0]["relative_drop"] >= 0.5)
    add(
        "share of targets whose strongest parent fires most on the same token",
        lambda p: p[0]["same_token"],
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
    chance = np.mean([r["random_drop"] for r in records if r["rank"] == 1])
    left.axhline(chance, color="0.6", linestyle=":", label="random feature that fires")
    left.legend(frameon=False)
    left.set(xlabel="rank of the parent", ylabel="relative drop in the target")
    draw_circuit(right, edges)
    save_figure(figure, path)


def draw_circuit(axis, edges):
    """Draw the nodes of a circuit by hook point, with the tokens on which they fire."""
    nodes = {}
    for edge in edges:
        for end in ("child", "parent"):
            nodes.setdefault((edge[f"{end}_at"], edge[end]), edge[f"{end}_fires_on"])
    places = sorted({point for point, _ in nodes}, key=lambda point: int(point.split(".")[1]))
    where = {}
    for height, place in enumerate(places):
        here = [node for node in nodes if node[0] == place]
        for i, node in enumerate(here):
            where[node] = (i + 0.5) / len(here), height
    for edge in edges:
        (x0, y0), (x1, y1) = (where[edge[f"{end}_at"], edge[end]] for end in ("parent", "child"))
        axis.plot((x0, x1), (y0, y1), color="C0", lw=max(0.4, 6 * edge["relative_drop"]), alpha=0.4)
    for node, tokens in nodes.items():
        text = f"{node[1]}\n" + tokens.replace(" | ", "\n")
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.5"}
        axis.text(*where[node], text, ha="center", va="center", fontsize=8, bbox=box)
    axis.set(yticks=range(len(places)), yticklabels=places, xticks=[], xlim=(0, 1))
    axis.margins(y=0.15)
    axis.set_title("a circuit: feature numbers and the tokens on which they fire")


def main():
    """Search with each seed, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    searches = {seed: Search(workspace, seed) for seed in args.seeds}
    jobs = [{"seed": seed, "feature": f} for seed in args.seeds for f in searches[seed].targets()]
    records = complete(
        args.out / "circuit.csv", jobs, lambda seed, feature: parents_of(searches[seed], feature)
    )
    edges = complete(
        args.out / "circuit_edges.csv",
        [shown_target(records)],
        lambda seed, feature: circuit_of(searches[seed], feature),
    )
    draw(records, edges, args.out / "circuit.png")
    write_table(summary(records), args.out / "circuit_summary.csv")


if __name__ == "__main__":
    main()
