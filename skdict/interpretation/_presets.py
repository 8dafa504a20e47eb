"""Protocols of other work, under their own names."""

from skdict.interpretation._client_managed import managed
from skdict.interpretation._llm_explainer import LLMExplainer
from skdict.interpretation._llm_simulator import LLMSimulator
from skdict.interpretation._simulated_engine import PAPER


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
