"""Quality for cost: what each method has learned after the same seconds, and at the same L0.

Peers run at the defaults of their documentation, on rows scaled as they scale them, in batches of
1,024. Seconds are those of training alone, by the clock. The figure has FVU over seconds.

Run: python tests/benchmarks/quality.py [--only planted stories equal-l0] [--figure quality.png]
     stories: --model FOLDER --train stories.txt
Within a minute: --only planted --seconds 1 2 --rows 20000 --width 64
"""

import argparse
import itertools
import time
import warnings

import matplotlib
import numpy as np
import torch
from layers import read
from measuring import describe_machine, print_table
from methods import DictionaryLearning, Overcomplete, Recipe, SAELens, Sparsify, installed
from sklearn.decomposition import MiniBatchDictionaryLearning

from skdict import ActivationExtractor, SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.metrics import feature_recovery

BATCH_ROWS = 1024
HELD_OUT = 8192
L0_TARGETS = (10, 15)
CHANGES = {
    "": {},
    ", debiased": {"debias": True},
    # As untied as the others are.
    ", untied": {"tied_weights": False},
    ", untied, debiased": {"tied_weights": False, "debias": True},
}
DEFAULTS = (
    Recipe("SAELens standard", "l1", SAELens),
    Recipe("dictionary_learning standard", "l1", DictionaryLearning),
    Recipe("overcomplete TopK 10", "topk", Overcomplete, {"k": 10}),
    Recipe("sparsify TopK 32", "topk", Sparsify),
)


class Peer:
    """A peer in training on rows."""

    def __init__(self, recipe, rows, n_components):
        torch.manual_seed(0)
        self._rows = torch.from_numpy(rows)
        scale = getattr(recipe.method, "scale", None)
        self._scale = float(scale(self._rows)) if scale else 1.0
        self._method = recipe.make(rows.shape[1], n_components, BATCH_ROWS)

    def advance(self):
        """Train on a batch."""
        chosen = torch.randint(len(self._rows), (BATCH_ROWS,))
        self._method.step(self._rows[chosen] * self._scale)

    @torch.no_grad()
    def look(self, held_out):
        """Return codes of rows, what they decode to, and the directions."""
        codes = self._method.codes(torch.from_numpy(held_out) * self._scale)
        rebuilt = self._method.decode(codes) / self._scale
        return codes.numpy(), rebuilt.numpy(), self._method.atoms().numpy()


class Estimator:
    """An estimator with `partial_fit` in training on rows."""

    def __init__(self, estimator, rows, block_rows, decode):
        self._estimator, self._rows, self._block_rows = estimator, rows, block_rows
        self._decode, self._rng = decode, np.random.default_rng(0)

    def advance(self):
        """Train on a block of rows."""
        chosen = self._rng.integers(len(self._rows), size=self._block_rows)
        self._estimator.partial_fit(self._rows[chosen])

    def look(self, held_out):
        """Return codes of rows, what they decode to, and the directions."""
        codes = self._estimator.transform(held_out)
        return codes, self._decode(self._estimator, codes), self._estimator.components_


def contestants(rows, n_components, slow_components):
    """Yield (name, what is trained, rows to look at) one after the other."""
    ours = SparseDictionaryAutoencoder(n_components, random_state=0)
    decode = type(ours).inverse_transform
    yield "skdict", Estimator(ours, rows, 20 * BATCH_ROWS, decode), HELD_OUT
    for recipe in installed(DEFAULTS):
        yield recipe.name, Peer(recipe, rows, n_components), HELD_OUT
    mean = rows.mean(0)
    scale = np.sqrt(np.square(rows - mean).sum(1).mean())
    # Half of alpha, as it halves the squared error.
    lasso = MiniBatchDictionaryLearning(
        slow_components,
        alpha=0.05,
        batch_size=256,
        fit_algorithm="cd",
        transform_algorithm="lasso_cd",
        positive_code=True,
        random_state=0,
    )
    slow = Estimator(lasso, (rows - mean) / scale, 256, lambda e, codes: codes @ e.components_)
    slow.look = _in_units(slow.look, mean, scale)
    yield f"MiniBatchDictionaryLearning ({slow_components})", slow, 1000


def _in_units(look, mean, scale):
    """Return the look at an estimator of centred and scaled rows, for rows as they are."""

    def look_at(held_out):
        codes, rebuilt, atoms = look((held_out - mean) / scale)
        return codes, mean + scale * rebuilt, atoms

    return look_at


def measured(trainee, held_out, planted):
    """Return FVU, L0, the share of planted features recovered, and features without a code."""
    codes, rebuilt, atoms = trainee.look(held_out)
    error = np.square(rebuilt - held_out, dtype=np.float64).sum()
    fvu = error / np.square(held_out - held_out.mean(0), dtype=np.float64).sum()
    fired = np.asarray((codes != 0).sum(0)).ravel()
    recovered = None if planted is None else feature_recovery(atoms, planted)
    return fvu, fired.sum() / len(held_out), recovered, int((fired == 0).sum())


def train_until(trainee, seconds, spent=0.0):
    """Train until so many seconds have gone into training; return them."""
    while spent < seconds:
        began = time.perf_counter()
        trainee.advance()
        spent += time.perf_counter() - began
    return spent


def compare(title, rows, held_out, n_components, slow_components, planted, args):
    """Print what each method reaches after the same seconds, and return FVU by name."""
    table, curves = [], {}
    for name, trainee, n_looked_at in contestants(rows, n_components, slow_components):
        spent = 0.0
        for seconds in args.seconds:
            spent = train_until(trainee, seconds, spent)
            fvu, l0, recovered, dead = measured(trainee, held_out[:n_looked_at], planted)
            table.append([name, spent, fvu, l0, recovered, str(dead)])
            curves.setdefault(name, []).append((spent, fvu, l0))
    columns = ["", "seconds", "held-out FVU", "L0", "recovered", "dead"]
    print_table(f"{title}: {len(rows)} rows, {n_components} components", columns, table)
    return curves


def planted_comparison(args):
    """Compare on planted data, four features a dimension."""
    width, n_planted = args.width, 4 * args.width
    data = make_sparse_features(
        args.rows + HELD_OUT,
        n_features=width,
        n_components=n_planted,
        n_active=10,
        decay=1.0,
        random_state=0,
    )
    title = f"planted, {width} wide, {n_planted} features, 10 active"
    parts = data.X[HELD_OUT:], data.X[:HELD_OUT]
    return compare(title, *parts, n_planted, width, data.components, args)


def stories_comparison(args):
    """Compare on activations of a language model."""
    if not (args.model and args.train):
        print("\nstories left out: pass --model and --train")
        return None
    extractor = ActivationExtractor(args.model, "resid_post.2", max_length=512)
    rows = np.asarray(extractor.fit_transform(read(args.train, 800)[: args.texts]), np.float32)
    parts = rows[HELD_OUT:], rows[:HELD_OUT]
    n_components = 8 * rows.shape[1]
    title = f"activations, {rows.shape[1]} wide"
    return compare(title, *parts, n_components, n_components, None, args)


def equal_l0_comparison(args):
    """Print FVU at equal L0: debiased codes beside SAELens', TopK's and codes as they are."""
    data = make_sparse_features(args.rows + HELD_OUT, random_state=0)
    rows, held_out = data.X[HELD_OUT:], data.X[:HELD_OUT]
    table = []

    def add(name, trainee, spent):
        fvu, l0, recovered, _ = measured(trainee, held_out, data.components)
        table.append([name, spent, fvu, l0, recovered])

    for l0, (name, change) in itertools.product(L0_TARGETS, CHANGES.items()):
        sae = SparseDictionaryAutoencoder(512, target_l0=l0, random_state=0, **change)
        began = time.perf_counter()
        sae.fit(rows)
        spent = time.perf_counter() - began
        ours = Estimator(sae, rows, BATCH_ROWS, type(sae).inverse_transform)
        add(f"skdict, L0 {l0}{name}", ours, spent)
    recipes = [
        # At its default rate it is far from done after so many steps.
        *(
            Recipe(f"SAELens, l1 {l1}, lr 1e-3", "l1", SAELens, {"l1": l1, "learning_rate": 1e-3})
            for l1 in (1.5, 2, 3)
        ),
        *(Recipe(f"overcomplete TopK {k}", "topk", Overcomplete, {"k": k}) for k in L0_TARGETS),
    ]
    for recipe in installed(recipes):
        trainee = Peer(recipe, rows, 512)
        began = time.perf_counter()
        for _ in range(sae.n_steps_):
            trainee.advance()
        add(recipe.name, trainee, time.perf_counter() - began)
    print_table(
        f"Equal L0, planted, 128 wide, 256 features, {len(rows)} rows, 512 components, "
        f"{sae.n_steps_} steps each",
        ["", "seconds", "held-out FVU", "L0", "recovered"],
        table,
    )


def draw(results, path):
    """Draw FVU over seconds, the L0 beside each point, into a file."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(6 * len(results), 4.5), squeeze=False)
    for axis, (title, curves) in zip(axes[0], results.items(), strict=True):
        for name, points in curves.items():
            seconds, fvu, l0 = zip(*points, strict=True)
            axis.plot(seconds, fvu, "o-", label=name)
            for x, y, number in zip(seconds, fvu, l0, strict=True):
                axis.annotate(f"{number:.0f}", (x, y), (3, 3), textcoords="offset points", size=7)
        axis.set(title=title, xlabel="seconds of training", ylabel="held-out FVU (L0 at points)")
        axis.set_yscale("log")
    axes[0, -1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    print(f"\nwritten: {path}")


def main():
    """Run the comparisons asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    sections = ("planted", "stories", "equal-l0")
    add("--only", nargs="+", default=list(sections), choices=sections)
    add("--seconds", type=float, nargs="+", default=[5, 10, 20])
    add("--rows", type=int, default=200_000, help="of planted data")
    add("--width", type=int, default=512, help="of planted data")
    add("--model", help="folder of a language model")
    add("--train", help="its texts")
    add("--texts", type=int, default=600)
    add("--figure", default="quality.png")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    describe_machine()
    ways = {"planted": planted_comparison, "stories": stories_comparison}
    results = {name: way(args) for name, way in ways.items() if name in args.only}
    results = {name: curves for name, curves in results.items() if curves}
    if results:
        draw(results, args.figure)
    if "equal-l0" in args.only:
        equal_l0_comparison(args)


if __name__ == "__main__":
    main()
