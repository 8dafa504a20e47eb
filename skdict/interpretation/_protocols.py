"""Protocols of other work, under their own names."""

from skdict._llm import managed
from skdict.interpretation._feature_interpreter import PAPER
from skdict.interpretation.explainers import LLMExplainer
from skdict.interpretation.judges import DetectionScorer, FuzzingScorer, LLMJudge
from skdict.interpretation.judges._base import DELPHI
from skdict.interpretation.simulators import LLMSimulator


def cunningham2023(client, *, simulator_client=None, method="all_at_once"):
    """Return the parameters of the protocol of Cunningham et al. (2023).

    For `FeatureInterpreter` and `InterpretabilityScorer`: ``FeatureInterpreter(dictionary,
    **cunningham2023(client))``. `protocol_` then names it.

    From each document one fragment of 64 tokens is cut at random. Of the 20 fragments of a
    feature's largest codes and 20 random ones in which it fires, 5 of the first explain, and 5
    others of the first with 5 of the second test; a feature that fires in fewer than 20 is
    "insufficient". One explanation of at most 60 tokens is written at temperature 1; a fragment
    is simulated all at once, without calibration; the score is Pearson's correlation over all
    640 tokens together. Features are the first 150 in the order of their numbers.

    The paper used 50,000 documents of OpenWebText, GPT-4 to explain and text-davinci-003 to
    simulate, and the wording of Bills et al. (2023); ours is our own. Signed codes count with
    their positive part, which is what explanations are written from; the paper compared with
    signed ones, which no explanation can reach.

    Parameters
    ----------
    client : client or callable
        To explain.
    simulator_client : client, callable or None, default=None
        To simulate; None for the same.
    method : {"all_at_once", "token_by_token", "json"}, default="all_at_once"
        How to simulate; the paper's is the first.

    Returns
    -------
    dict
        Parameters by name.

    Raises
    ------
    TypeError
        If the client is none.

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
    """Return the scorers of the protocol of delphi (Paulo et al., 2024): detection and fuzzing.

    For ``compare_dictionaries(..., scorers=delphi(client))``. The names of their measures begin
    with "delphi".

    Documents are cut into windows of 32 tokens, shorter ones left out. A feature that fires in
    fewer than 200 is "insufficient". The others are sorted by their largest code and cut into ten
    slices of equal count: 40 windows explain and 50 test, equally many of each slice, with 50
    windows in which the feature does not fire. The judge sees five at a time, all at temperature
    0; the score is balanced accuracy, with F1 beside it.

    Here windows to test on are never among those that explain; the original draws both from one
    pool, where some are the same. Of windows of equal tokens one counts. As many wrong tokens are
    marked in fuzzing as right ones are. The wording is our own. Both scorers write the same
    explanations: a `ManagedClient` with a `cache_dir` pays for them once. The original has no
    control; ``set_params(control=True)`` adds the one with explanations exchanged.

    Parameters
    ----------
    client : client or callable
        To explain.
    judge_client : client, callable or None, default=None
        To judge; None for the same.
    n_features : int or None, default=150
        Features drawn among those that fire; None for all.
    random_state : int, default=0
        Of features and windows.

    Returns
    -------
    list
        A `DetectionScorer` and a `FuzzingScorer`.

    Raises
    ------
    TypeError
        If the client is none.

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
