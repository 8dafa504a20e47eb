"""Python code that continues from a saved dictionary and a store."""

import numpy as np

from skdict._cli._reading import MODEL_CODE, model_code
from skdict._store import read_manifest

MODULES = {
    "skdict": ["Activations"],
    "skdict.inspection": ["summarize_features"],
    "skdict.io": ["load_dictionary"],
}
STEERING_MODULES = {
    "skdict.interventions": ["Steer", "intervene"],
    "skdict.models": ["load_model"],
}


def python_snippet(dictionary, store, scores=None, *, transcoder=False, targets=None):
    """Return code that loads a dictionary and its rows, summarises a feature and steers it.

    Parameters
    ----------
    dictionary : str
        Code that loads the dictionary.
    store : path
        Folder of the store. If `extract` did not write it, its model may not be loadable by name,
        and the code does not steer.
    scores : FeatureInterpreter, optional
        Fitted interpreter; its best-explained feature is used. Without it, or if nothing could be
        scored, the code picks the feature with the largest total code.
    transcoder : bool, default=False
        If True, the dictionary is a transcoder, and the code steers it only if `targets` is given.
    targets : path, optional
        Folder of the store with the targets of a transcoder.

    Returns
    -------
    str
        The code, without a newline at the end.
    """
    source, hook_point = _place(store, transcoder, targets)
    can_steer = hook_point is not None
    modules = {name: list(names) for name, names in MODULES.items()}
    if can_steer:
        modules |= STEERING_MODULES
    if can_steer and source["model"] in MODEL_CODE:
        _, module, function = MODEL_CODE[source["model"]]
        modules[module] = sorted([*modules.get(module, []), function])
    named = "transcoder" if transcoder else "sae"
    lines = [f"from {name} import {', '.join(modules[name])}" for name in sorted(modules)]
    lines += [
        "",
        f"{named} = {dictionary}",
        f"acts = Activations.load({str(store)!r})",
        f"codes = {named}.transform(acts)",
        _choice(scores),
        "print(summarize_features(codes, acts, [feature])[0])",
    ]
    if can_steer:
        lines += _steering(source["model"], hook_point, named)
    return "\n".join(lines)


def _place(store, transcoder, targets):
    """Return the source of a store, and the hook point or pair to steer at, if it is known."""
    source = read_manifest(store)["source"] or {}
    if not {"model", "hook_point"} <= set(source):
        return source, None
    if not transcoder:
        return source, source["hook_point"]
    predicted = {} if targets is None else read_manifest(targets)["source"] or {}
    if predicted.get("model") != source["model"] or "hook_point" not in predicted:
        return source, None
    return source, (source["hook_point"], predicted["hook_point"])


def _choice(scores):
    """Return the line that picks a feature."""
    if scores is not None:
        # Higher numbers stand for negative codes, which cannot be summarised or steered as such.
        usable = scores.features_ < len(scores.dictionary_.components_)
        best = np.where(usable & (scores.status_ == "scored"), scores.scores_, -np.inf)
        if len(best) and np.isfinite(best.max()):
            i = int(best.argmax())
            return f"feature = {scores.features_[i]}  # highest explanation score: {best[i]:.2f}"
    return "feature = int(codes.sum(axis=0).argmax())  # largest total code"


def _steering(model, hook_point, named):
    """Return the lines that steer the feature while the model writes."""
    model = model_code(model)
    return [
        "",
        f"model, tokenizer = load_model({model})  # must generate text",
        "ids = tokenizer('Once upon a time', return_tensors='pt').input_ids",
        "value = float(codes[:, [feature]].max())  # largest code of the feature",
        f"with intervene(model, {hook_point!r}, {named}, Steer(feature, value)):",
        "    written = model.generate(ids, max_new_tokens=20, do_sample=False)",
        "print(tokenizer.decode(written[0]))",
    ]
