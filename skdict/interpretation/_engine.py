"""Explain on some documents, choose on others, score on the rest: every row encoded once."""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse

from skdict.inspection import TokenBlock, split_documents
from skdict.inspection.evidence import sampled_windows, uniform
from skdict.interpretation._scores import Scores, shuffled_order
from skdict.interpretation.explainers._context import ContextExplainer
from skdict.interpretation.explainers._explanation import Simulator
from skdict.interpretation.explainers._lexicon import LexiconExplainer
from skdict.interpretation.explainers._ngram import NGramExplainer
from skdict.metrics import CorrelationSums


@dataclass(eq=False)
class Interpretation:
    """What was found about some features.

    Parameters
    ----------
    features : ndarray of int, shape (n_features,)
        Which features.
    firing_counts : ndarray of int, shape (n_all_features,)
        Tokens to explain on on which each feature of the dictionary fires.
    explanations, lexicon : list of Explanation
        The chosen ones, and those by tokens alone.
    scores : Scores or None, default=None
        On the documents kept for it.
    simulator : simulator or None, default=None
        What predicted from free words.
    simulations : dict of int to Simulation
        Codes and predictions in windows, by feature.
    failures : dict of int to Failure
        What went wrong, by feature.
    """

    features: np.ndarray
    firing_counts: np.ndarray
    explanations: list
    lexicon: list
    scores: Scores = None
    simulator: object = None
    simulations: dict = field(default_factory=dict)
    failures: dict = field(default_factory=dict)


class Engine:
    """The options of an interpretation, and its steps.

    Parameters
    ----------
    explainer, sampling, n_features, order, min_firings, window, nan_policy : object
        As in `FeatureInterpreter`.
    seed : int
        Of the split, the draw of features and the resampling.
    """

    def __init__(
        self, explainer, *, sampling, n_features, order, min_firings, window, nan_policy, seed
    ):
        self.explainers = default_explainers(explainer)
        self.sampling, self.n_features, self.order = sampling, n_features, order
        self.min_firings, self.window, self.seed = min_firings, window, seed
        self.nan_policy = nan_policy

    def interpret(self, columns, activations):
        """Return explanations, and their scores on documents kept apart.

        Parameters
        ----------
        columns : FeatureColumns
            The dictionary.
        activations : Activations of shape (n_tokens, width)
            Of three documents at least.

        Returns
        -------
        Interpretation
        """
        parts = split_documents(activations, seed=self.seed)
        counts = columns.firing_counts(activations, parts["explain"])
        features = self.draw(counts, columns)
        found = Interpretation(
            features, counts, *self.explain(columns, activations, parts, features)
        )
        found.scores = self.evaluate(columns, activations, found, parts["test"])
        return found

    def explain(self, columns, activations, parts, features):
        """Return the explanation chosen for each feature, and the one by tokens alone."""
        codes, tokens = gather(columns, activations, parts["explain"], features)
        candidates = [explainer.explain(codes, tokens) for explainer in self.explainers]
        lexicon = self._lexicon(candidates, codes, tokens)
        del codes
        chosen = candidates[0]
        if len(candidates) > 1:
            chosen = _choose(candidates, columns.blocks(activations, parts["select"], features))
        return chosen, lexicon

    def evaluate(self, columns, activations, found, documents=None):
        """Return the scores of an interpretation on documents; None for all of them."""
        n_features = len(found.features)
        other = shuffled_order(n_features, self.seed)
        sides = [Simulator(found.explanations), Simulator(found.lexicon)]
        sums = [CorrelationSums(n_features) for _ in range(3)]
        for codes, tokens, where in self._tokens(columns, activations, documents, found.features):
            predictions = [side.simulate(tokens) for side in sides]
            predictions.append(scipy.sparse.csr_array(predictions[0][:, other]))
            for total, predicted in zip(sums, predictions, strict=True):
                total.update(predicted, codes, where)
        score, lexicon, shuffled = (total.correlation() for total in sums)
        status = self._status(found, score, sums[0].varies())
        score = np.where(status == "scored", score, np.nan)
        n_dead = n_dead_components(found.firing_counts, columns.n_components)
        options = {"n_dead": n_dead, "nan_policy": self.nan_policy, "seed": self.seed}
        return Scores(found.features, status, score, lexicon, shuffled, **options)

    def _tokens(self, columns, activations, documents, features):
        """Yield codes, tokens, and which of them count for which feature (None for all)."""
        blocks = columns.blocks(activations, documents, features)
        if self.sampling == "full":
            yield from ((codes, TokenBlock.of(block), None) for codes, block in blocks)
        else:
            yield from sampled_windows(blocks, len(features), self.sampling, self.window, self.seed)

    def _status(self, found, score, varies):
        """Return what became of each feature."""
        n_firings = found.firing_counts[found.features]
        status = np.full(len(score), "scored", dtype="<U12")
        status[np.isnan(score)] = "undefined"
        status[[explanation is None for explanation in found.explanations]] = "failed"
        status[(n_firings < self.min_firings) | ~varies] = "insufficient"
        status[n_firings == 0] = "dead"
        return status

    def draw(self, counts, columns):
        """Return the features to explain, in the order of their numbers."""
        # The negative codes of a component without any are no feature.
        exist = (counts > 0) | (np.arange(len(counts)) < columns.n_components)
        if self.n_features is None:
            return np.flatnonzero(exist)
        if self.order == "index":
            return np.flatnonzero(exist)[: self.n_features]
        living = np.flatnonzero(counts > 0)
        drawn = np.argsort(uniform(self.seed, 6, living), kind="stable")[: self.n_features]
        return np.sort(living[drawn])

    def _lexicon(self, candidates, codes, tokens):
        """Return explanations by tokens alone, of the candidates or made here."""
        for explainer, explanations in zip(self.explainers, candidates, strict=True):
            if isinstance(explainer, LexiconExplainer):
                return explanations
        return LexiconExplainer().explain(codes, tokens)


def default_explainers(explainer):
    """Return a list of explainers: those given, or the three that need no language model."""
    if explainer is None:
        return [LexiconExplainer(), NGramExplainer(), ContextExplainer()]
    explainers = list(explainer) if isinstance(explainer, (list, tuple)) else [explainer]
    if not explainers or not all(hasattr(e, "explain") for e in explainers):
        raise TypeError(
            f"explainer={explainer!r} is not accepted: pass an explainer such as "
            f"NGramExplainer(), a list of them, or None for the best of three"
        )
    return explainers


def n_dead_components(firing_counts, n_components):
    """Return how many components fire with neither sign."""
    return int((firing_counts.reshape(-1, n_components).sum(axis=0) == 0).sum())


def gather(columns, activations, documents, features):
    """Return the codes of some documents by column, and their tokens."""
    parts = list(columns.blocks(activations, documents, features))
    codes = scipy.sparse.vstack([codes for codes, _ in parts], format="csc")
    tokens = [TokenBlock.of(block) for _, block in parts]
    table = (
        np.concatenate([getattr(t, name) for t in tokens])
        for name in ("documents", "positions", "token_ids")
    )
    return codes, TokenBlock(*table, activations.vocabulary)


def _choose(candidates, blocks):
    """Return for each feature the candidate of the largest correlation on the documents."""
    simulators = [Simulator(explanations) for explanations in candidates]
    sums = [CorrelationSums(len(candidates[0])) for _ in candidates]
    for codes, block in blocks:
        tokens = TokenBlock.of(block)
        for simulator, total in zip(simulators, sums, strict=True):
            total.update(simulator.simulate(tokens), codes)
    found = np.array([total.correlation() for total in sums])
    # Of equally good ones, or where none is defined, the first: the simplest. Rounded, so that
    # the last bits of a sum do not choose.
    best = np.where(np.isnan(found), -np.inf, np.round(found, 6)).argmax(axis=0)
    return [candidates[i][j] for j, i in enumerate(best)]
