"""All measures of dictionaries on a running model, in one table."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from skdict._files import locked
from skdict._outputs import check_output_folder
from skdict._validation import check_number, check_random_state, check_texts, told
from skdict.datasets import label_tokens
from skdict.decomposition import check_is_dictionary
from skdict.evaluation._evaluation import Evaluation
from skdict.evaluation.parts import PARTS, make_parts, measure_parts, read_texts_once
from skdict.metrics import check_scorers
from skdict.models import describe_model, loaded_pair


def evaluate_dictionary(
    dictionary,
    model,
    texts,
    *,
    hook_point=None,
    n_tokens=100_000,
    n_loss_tokens=10_000,
    labels=label_tokens,
    scorers=(),
    skip=(),
    folder=None,
    max_length=256,
    batch_size=8,
    device="auto",
    revision=None,
    trust_remote_code=False,
    random_state=0,
    verbose=False,
):
    """Measure dictionaries by everything that the field goes by, in one table.

    The model runs once over the texts, whatever the number of dictionaries, and its activations
    are kept on disk, so memory does not grow with the number of tokens. The parts are:

    - ``"reconstruction"``: L0, FVU, dead features and density, on all tokens.
    - ``"loss"``: `loss_recovered` and the increase in cross-entropy, on `n_loss_tokens` tokens.
    - ``"probing"``: `SparseProbing` on `labels` with 1, 2, 5 and 16 features.
    - ``"absorption"``: `Absorption` of first letters, in the model's own vocabulary.
    - ``"perturbation"``: `ProbePerturbation` (TPP) on the label with the most classes.
    - ``"stability"``: similarity between fits, for dictionaries given as a list of fits.

    Parameters
    ----------
    dictionary : estimator, dict of str to estimator, or dict of str to list of estimator
        Fitted dictionary, or several by name. A list holds fits of one kind with different seeds;
        its measures are means over fits.
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Causal language model: a name, a folder, or a loaded model with its tokenizer.
    texts : list of str
        Texts that no dictionary was fitted on, read from the first on.
    hook_point : str or None, default=None
        Hook point of the dictionaries, see `ActivationExtractor`. None takes it from the metadata
        of loaded dictionaries.
    n_tokens : int, default=100_000
        Number of tokens to encode. The text in which it is reached is read to its end. Labels are
        made for at most the first 100,000 tokens.
    n_loss_tokens : int, default=10_000
        Number of tokens of the first texts to measure losses on.
    labels : callable, default=skdict.datasets.label_tokens
        Function from activations to labels of their tokens, as for `SparseProbing`.
    scorers : list or dict of scorers, default=()
        Further parts, such as `skdict.interpretation.InterpretabilityScorer`, in the form that
        `compare_dictionaries` accepts. They are called with each dictionary and all activations.
    skip : collection of str, default=()
        Names of parts to leave out. A scorer is named by its key or its class.
    folder : str, path or None, default=None
        Folder for the activations, the results of each part, and the table as
        ``evaluation.json`` and ``evaluation.md``. An evaluation that was interrupted, or that is
        repeated with more dictionaries, measures only what is missing. None keeps nothing.
    max_length : int, default=256
        Maximum number of tokens read from each text, special tokens included.
    batch_size : int, default=8
        Number of texts per forward pass.
    device : str, default="auto"
        Device for a model given by name or folder.
    revision : str or None, default=None
        Branch, tag or commit of a model on the hub.
    trust_remote_code : bool, default=False
        If True, run the Python code that comes with a model given by name or folder. Read that
        code first.
    random_state : int, RandomState instance or None, default=0
        Seed for splits, drawn samples, words and bootstraps. Pass an int for reproducible results
        across calls, and to resume.
    verbose : bool, default=False
        If True, show a progress bar.

    Returns
    -------
    Evaluation
        Measures with confidence intervals, counts, and the time of each part.

    Raises
    ------
    TypeError
        If an estimator is not a dictionary, `labels` or a scorer is not callable, or `texts` is
        not a list of strings.
    ValueError
        If there is no dictionary, widths or hook points differ, `skip` has an unknown name, a
        parameter is out of range, or `folder` holds an evaluation of other activations.
    FileExistsError
        If another process is writing to `folder`.

    Warns
    -----
    UserWarning
        If a part cannot be measured, for example because the model cannot spell. The reason is
        also in ``left_out``.

    See Also
    --------
    skdict.metrics.compare_dictionaries : Compare dictionaries on rows, without a model.
    skdict.metrics.synthetic_benchmark : Compare estimators on planted features.

    Notes
    -----
    Intervals of probing, absorption and perturbation are percentiles of a bootstrap over test
    documents or words. With several fits, their bounds are means over fits, and all other
    measures get Student's 95 % interval of the mean over fits, which is wide for two.

    Stability is the mean over pairs of fits of the largest absolute cosine of each direction with
    any of the other fit, averaged over both ways; `stability_random` replaces one of the two by
    random directions.

    Examples
    --------
    >>> from skdict import ActivationExtractor, RandomDictionary, load_stories
    >>> from skdict.evaluation import evaluate_dictionary
    >>> stories = load_stories()
    >>> acts = ActivationExtractor(stories.model, "resid_post.1").fit_transform(stories.texts[:9])
    >>> random = RandomDictionary(64, random_state=0).fit(acts)
    >>> result = evaluate_dictionary(
    ...     {"random": random}, stories.model, stories.texts[9:29], hook_point="resid_post.1",
    ...     n_tokens=2000, n_loss_tokens=200, skip=["absorption", "perturbation"])
    >>> 0.4 < result.table["random"]["probing_1"] < result.table["random"]["probing_dense"]
    True
    """
    fits = _fits_by_name(dictionary)
    point = _one_hook_point(hook_point, fits)
    texts = check_texts(texts)
    reading = {"max_length": max_length, "batch_size": batch_size}
    numbers = {"n_tokens": n_tokens, "n_loss_tokens": n_loss_tokens}
    for name, value in (numbers | reading).items():
        check_number(name, value, low=1, integer=True)
    if not callable(labels):
        raise TypeError(f"{told('labels', labels)}: pass a function from activations to labels")
    parts = make_parts(
        labels=labels,
        scorers=check_scorers(scorers),
        n_loss_tokens=n_loss_tokens,
        n_components=min(len(fit.components_) for of_name in fits.values() for fit in of_name),
        seed=int(check_random_state(random_state).randint(np.iinfo(np.int32).max)),
    )
    skip = _check_skip(skip, parts)
    pair = loaded_pair(model, device=device, revision=revision, trust_remote_code=trust_remote_code)
    with _opened(folder) as place:
        name = _name_of(model, pair)
        sources = read_texts_once(place, pair, name, point, texts, n_tokens, reading)
        measured = measure_parts(parts, fits, sources, place, skip=skip, verbose=verbose)
    settings = {"model": name, "hook_point": point} | numbers | reading
    evaluation = Evaluation(*measured, settings)
    if folder is not None:
        evaluation.save(folder)
    return evaluation


def _name_of(model, pair):
    """Return the name under which a model was given or loaded, or else its class."""
    if isinstance(model, tuple):
        model = getattr(getattr(pair[0], "config", None), "_name_or_path", "") or model
    return describe_model(model)


def _fits_by_name(dictionary):
    """Return the fitted dictionaries as a dict of lists."""
    named = dictionary if isinstance(dictionary, dict) else {"dictionary": dictionary}
    if not named:
        raise ValueError("dictionary={} has no dictionary; pass at least one, by name")
    fits = {
        name: list(of_name) if isinstance(of_name, (list, tuple)) else [of_name]
        for name, of_name in named.items()
    }
    for name, of_name in fits.items():
        if not of_name:
            raise ValueError(f"{name!r} has an empty list of fits; pass at least one")
        for fit in of_name:
            check_is_dictionary(fit)
    return fits


def _one_hook_point(hook_point, fits):
    """Return the hook point given, or else the one in the metadata of all dictionaries."""
    if hook_point is not None:
        return hook_point
    fits = [fit for of_name in fits.values() for fit in of_name]
    found = {getattr(fit, "metadata_", {}).get("hook_point") for fit in fits}
    if len(found) > 1 or None in found:
        shown = ", ".join(sorted(map(str, found)))
        raise ValueError(
            f"the metadata of the dictionaries have hook points {shown}; pass hook_point, and only "
            f"dictionaries of one hook point"
        )
    return found.pop()


def _check_skip(skip, parts):
    """Return the parts to leave out as a set."""
    known = [*dict.fromkeys([*PARTS, *(part.name for part in parts)])]
    skip = {skip} if isinstance(skip, str) else set(skip)
    if unknown := skip - set(known):
        raise ValueError(
            f"skip has {', '.join(sorted(map(repr, unknown)))}; accepted are {', '.join(known)}"
        )
    return skip


@contextmanager
def _opened(folder):
    """Yield the folder to work in, locked, or a temporary one."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="skdict-") as place:
            yield Path(place)
        return
    check_output_folder("folder", folder)
    with locked(folder):
        yield Path(folder)
