"""Interfaces of explainers, simulators and judges."""

# For each kind of strategy, its required method and the advice for error messages.
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
    """Check that an object is an explainer, simulator or judge, and run its own checks.

    Parameters
    ----------
    kind : {"explainer", "simulator", "judge"}
        Expected kind of strategy.
    value : object
        Object to check.

    Raises
    ------
    TypeError
        If `value` does not have the method of its kind.
    TypeError, ValueError, ImportError, ClientError
        If ``value.check()`` raises, for objects that have a ``check`` method.
    """
    call, advice = KINDS[kind]
    method = call.partition("(")[0]
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        raise TypeError(f"{kind}={value!r} is not accepted: it has no {call}; pass {advice}")
    if hasattr(value, "check"):
        value.check()


def writes_free_text(explainer):
    """Return True if an explainer writes free text without rules.

    Such an explainer is shown windows. Its ``explain_records(records, vocabulary)`` explains one
    feature from the windows that its ``records_of(codes, tokens)`` selects.
    """
    return hasattr(explainer, "explain_records")
