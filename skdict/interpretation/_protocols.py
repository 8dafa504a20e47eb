"""Published interpretability protocols, under the names of their origin."""

from skdict._llm import managed
from skdict.interpretation._feature_interpreter import PAPER
from skdict.interpretation.explainers import LLMExplainer
from skdict.interpretation.judges import DetectionScorer, FuzzingScorer, LLMJudge
from skdict.interpretation.judges._base import DELPHI
from skdict.interpretation.simulators import LLMSimulator


def cunningham2023(client, *, simulator_client=None, method="all_at_once"):
    """Return the parameters of the protocol of Cunningham et al. (2023).

    Pass them to `FeatureInterpreter` or `InterpretabilityScorer`, as in
    ``FeatureInterpreter(dictionary, **cunningham2023(client))``. The attribute `protocol_` of the
    interpreter is then "cunningham2023".

    One fragment of 64 tokens is sampled from each document. For each feature, the 20 fragments
    with the largest codes and 20 random fragments in which it fires are selected. The explanation
    is written from 5 of the top fragments and scored on 5 other top fragments and 5 random ones.
    A feature that fires in fewer than 20 fragments is "insufficient". One explanation of at most
    60 tokens is generated at temperature 1. Each fragment is simulated all at once, without
    calibration, and the score is the Pearson correlation over all 640 tokens together. The first
    150 features by index are explained.

    The paper used 50,000 documents of OpenWebText, GPT-4 as explainer, text-davinci-003 as
    simulator, and the prompts of Bills et al. (2023); skdict has its own prompts. For signed
    codes, skdict compares predictions with the positive part, from which explanations are
    written; the paper compared them with the signed codes, which no explanation can match.

    Parameters
    ----------
    client : client or callable
        Client of the explainer.
    simulator_client : client, callable or None, default=None
        Client of the simulator; None means `client`.
    method : {"all_at_once", "token_by_token", "json"}, default="all_at_once"
        Simulation method, see `LLMSimulator`. The paper used "all_at_once".

    Returns
    -------
    dict
        Keyword arguments by name.

    Raises
    ------
    TypeError
        If `client` is neither a client nor callable.

    References
    ----------
    Cunningham et al. (2023), "Sparse autoencoders find highly interpretable features in language
    models". Bills et al. (2023), "Language models can explain neurons in language models".

    Examples
    --------
    >>> from skdict import IdentityDictionary
    >>> from skdict.interpretation import FeatureInterpreter, cunningham2023
    >>> interpreter = FeatureInterpreter(IdentityDictionary(), **cunningham2023(lambda request: ""))
    >>> interpreter.sampling, interpreter.n_features
    ('cunningham2023', 150)
    """
    client = managed(client)
    other = client if simulator_client is None else managed(simulator_client)
    return {
        "explainer": LLMExplainer(client, max_tokens=60, temperature=1.0, n_attempts=1),
        "simulator": LLMSimulator(other, method=method),
        "sampling": PAPER,
        "sign": "positive",
        "n_features": 150,
        "order": "index",
        "min_firings": 1,
    }


def delphi(client, *, judge_client=None, n_features=150, random_state=0):
    """Return the scorers of the delphi protocol (Paulo et al., 2024): detection and fuzzing.

    Use as ``compare_dictionaries(..., scorers=delphi(client))``. The names of the measures begin
    with "delphi".

    Documents are cut into windows of 32 tokens; shorter windows are dropped. A feature that fires
    in fewer than 200 windows is "insufficient". The windows of every other feature are sorted by
    their largest code and cut into ten quantiles of equal size. 40 windows are used to write the
    explanation and 50 to test it, the same number from each quantile, together with 50 windows in
    which the feature does not fire. The judge is shown five windows at a time. Explainer and judge
    run at temperature 0. The score is balanced accuracy; F1 is also reported.

    Differences from the original: test windows are never among the windows used to write the
    explanation, whereas the original samples both from one pool; among windows with identical
    tokens only one is kept; fuzzing marks as many tokens in negative windows as in positive ones;
    the prompts are our own. The original has no control;
    ``set_params(control=True)`` adds the shuffled-explanation control. Both scorers generate the
    same explanations, which a `ManagedClient` with a `cache_dir` pays for only once.

    Parameters
    ----------
    client : client or callable
        Client of the explainer.
    judge_client : client, callable or None, default=None
        Client of the judge; None means `client`.
    n_features : int or None, default=150
        Number of features sampled among those that fire. None means all.
    random_state : int, default=0
        Seed for sampling features and windows.

    Returns
    -------
    list
        A `DetectionScorer` and a `FuzzingScorer`.

    Raises
    ------
    TypeError
        If `client` is neither a client nor callable.

    References
    ----------
    Paulo, Mallen, Juang and Belrose (2024), "Automatically interpreting millions of features in
    large language models".

    Examples
    --------
    >>> from skdict.interpretation import delphi
    >>> [(scorer.task, scorer.metric) for scorer in delphi(lambda request: "")]
    [('detection', 'balanced_accuracy'), ('fuzzing', 'balanced_accuracy')]
    """
    client = managed(client)
    judge = LLMJudge(client if judge_client is None else managed(judge_client), n_attempts=1)
    options = {
        "explainer": LLMExplainer(client, n_attempts=1),
        "metric": "balanced_accuracy",
        "sampling": DELPHI,
        "control": False,
        "n_features": n_features,
        "random_state": random_state,
    }
    return [DetectionScorer(judge, **options), FuzzingScorer(judge, **options)]
