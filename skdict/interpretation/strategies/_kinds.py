"""Explainers, simulators and judges: what makes an object one of them."""

# The method that makes an object one of a kind, and what to pass.
KINDS = {
    "explainer": (
        "explain(codes, tokens)",
        "an explainer such as NGramExplainer(), a list of them, or None for the best of three",
    ),
    "simulator": (
        "simulate(explanation, records, vocabulary)",
        "a simulator such as LLMSimulator(client), or None",
    ),
    "judge": ("judge(explanation, windows)", "a judge such as EmbeddingJudge(), or None"),
}


def check_strategy(kind, value):
    """Refuse what is no explainer, simulator or judge, and let one check its parameters.

    Parameters
    ----------
    kind : {"explainer", "simulator", "judge"}
        What it should be.
    value : object
        What was passed.

    Raises
    ------
    TypeError
        If it lacks the method of its kind.
    TypeError, ValueError, ImportError, ClientError
        As its own ``check()`` raises them, where it has one.
    """
    call, advice = KINDS[kind]
    method = call.partition("(")[0]
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        raise TypeError(f"{kind}={value!r} is not accepted: it has no {call}; pass {advice}")
    if hasattr(value, "check"):
        value.check()


def writes_free_words(explainer):
    """Return whether an explainer writes sentences that no rules stand behind.

    Such an explainer is shown windows: ``explain_records(records, vocabulary)`` explains one
    feature, from the windows that its ``records_of(codes, tokens)`` chooses.
    """
    return hasattr(explainer, "explain_records")
