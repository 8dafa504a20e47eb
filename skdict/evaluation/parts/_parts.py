"""Each part measures a list of dictionaries, one after the other."""

from dataclasses import dataclass

import numpy as np

from skdict.decomposition import measure_dictionary
from skdict.evaluation._absorption import Absorption
from skdict.evaluation._loss_recovered import loss_recovered
from skdict.evaluation._probe_perturbation import ProbePerturbation
from skdict.evaluation.parts._sources import MOST_LABELLED
from skdict.metrics import SparseProbing, scores_by_name

SIZES = (1, 2, 5, 16)
N_WORDS = 5000
# Measures of `loss_recovered` that depend on the dictionary.
OF_LOSS = (
    "cross_entropy_increase",
    "loss_recovered_zero",
    "loss_recovered_mean",
    "kl_divergence",
)


@dataclass(frozen=True)
class Part:
    """One part of an evaluation.

    Parameters
    ----------
    name : str
        Name of the part.
    settings : dict
        Everything that results depend on besides the model, the rows and the dictionary. Must be
        JSON-serialisable.
    measure : callable
        Function from `Sources` and a list of dictionaries to an iterator of (measures, counts),
        two dicts of str to number, for each dictionary in order.
    """

    name: str
    settings: dict
    measure: callable


def make_parts(*, labels, scorers, n_loss_tokens, n_components, seed):
    """Return all parts in the order in which they are measured.

    Parameters
    ----------
    labels : callable
        Function from activations to labels of tokens.
    scorers : list of (str or None, scorer)
        Further scorers, each a part of its own.
    n_loss_tokens : int
        Number of tokens to measure losses on.
    n_components : int
        Number of components of the smallest dictionary.
    seed : int
        Seed for all parts.

    Returns
    -------
    list of Part
    """
    named = {"labels": f"{labels.__module__}.{labels.__qualname__}", "seed": seed}
    sizes = [k for k in SIZES if k <= n_components]
    return [
        Part("reconstruction", {}, _reconstruction),
        Part("loss", {"n_tokens": n_loss_tokens}, _loss(n_loss_tokens)),
        Part("probing", named | {"k": sizes}, _probing(labels, sizes, seed)),
        Part("absorption", {"n_words": N_WORDS, "seed": seed}, _absorption(seed)),
        Part("perturbation", named, _perturbation(labels, seed)),
        *(_scorer_part(name, scorer) for name, scorer in scorers),
    ]


def _reconstruction(sources, dictionaries):
    for dictionary in dictionaries:
        measures = measure_dictionary(dictionary, sources.acts)
        yield measures, {"n_tokens": len(sources.acts)}


def _loss(n_tokens):
    def measure(sources, dictionaries):
        texts = sources.first_texts(n_tokens)
        by_number = dict(enumerate(dictionaries))
        found = loss_recovered(
            sources.model, sources.hook_point, by_number, texts, **sources.reading
        )
        for i in by_number:
            measures = {name: found[i][name] for name in OF_LOSS}
            unedited = {"cross_entropy": found[i].cross_entropy}
            yield unedited | measures, {"n_predicted_tokens": found[i].n_tokens}

    return measure


def _probing(labels, sizes, seed):
    def measure(sources, dictionaries):
        rows = sources.first_rows(MOST_LABELLED)
        made = labels(rows)
        scorer = SparseProbing(made, k=sizes, random_state=seed)
        for measures in scorer.measure_each(dictionaries, rows):
            counts = {"n_labelled_tokens": len(rows), "n_probed_classes": measures.pop("n_probed")}
            yield measures, counts

    return measure


def _absorption(seed):
    def measure(sources, dictionaries):
        options = {"n_words": N_WORDS, "batch_size": sources.reading["batch_size"]}
        scorer = Absorption.from_model(
            sources.model, sources.hook_point, random_state=seed, **options
        )
        for dictionary in dictionaries:
            measures = scorer.measure(dictionary)
            counts = {"n_words": len(scorer.rows.X), "n_letters": len(scorer.concepts)}
            measures["share_represented"] = measures.pop("n_concepts") / len(scorer.concepts)
            yield measures, counts

    return measure


def _perturbation(labels, seed):
    def measure(sources, dictionaries):
        rows = sources.first_rows(MOST_LABELLED)
        classes = _with_most_classes(labels(rows))
        scorer = ProbePerturbation(rows, classes, random_state=seed)
        for dictionary in dictionaries:
            units = scorer.units
            counts = {
                "n_perturbed_tokens": len(units.test),
                "n_perturbed_classes": len(units.names),
            }
            yield scorer.measure(dictionary), counts

    return measure


def _with_most_classes(labels):
    """Return the label with the most classes, since TPP compares classes with each other."""
    by_name = labels["labels"] if "labels" in labels else labels
    name = max(by_name, key=lambda name: len(np.unique(by_name[name])))
    return {name: by_name[name]}


def _scorer_part(name, scorer):
    """Return the part of a scorer of the user."""

    def measure(sources, dictionaries):
        for dictionary in dictionaries:
            yield scores_by_name(name, scorer, dictionary, sources.acts), {}

    return Part(name or type(scorer).__name__, {"scorer": _describe(scorer)}, measure)


def _describe(scorer):
    """Return the class and the parameters of a scorer, or the name of a function."""
    if hasattr(scorer, "get_params"):
        params = {key: repr(value) for key, value in scorer.get_params().items()}
        return {"class": type(scorer).__qualname__} | params
    return getattr(scorer, "__qualname__", type(scorer).__qualname__)
