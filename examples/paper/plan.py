"""The scripts, what they need, and how long they took."""

from typing import NamedTuple


class Script(NamedTuple):
    """A script of this folder.

    Parameters
    ----------
    reads : tuple of str
        Which hook points it reads: "layers", "mlp_layers" or "layer", as in `Setting`, or
        "mlp_layer" for the MLP of that layer.
    minutes : dict
        Minutes on one of two busy cores, measured, by model, with what other scripts store.
    """

    reads: tuple
    minutes: dict


# Those that take longest come first, so that two cores end together.
SCRIPTS = {
    "interpretability": Script(("layers", "mlp_layers"), {"bundled": 26, "smollm2": 30}),
    "patching_curves": Script(("layers",), {"bundled": 23}),
    "loss_recovered": Script(("layers",), {"bundled": 4, "smollm2": 116}),
    "erasure": Script(("layers",), {"bundled": 4, "smollm2": 55}),
    "interpretability_controls": Script(("layer",), {"bundled": 5, "smollm2": 8}),
    "interpretability_sampling": Script(("layer",), {"smollm2": 5}),
    "interpretability_topk": Script(("layer",), {"smollm2": 5}),
    "interpretability_sizes": Script(("layer",), {"smollm2": 3}),
    "patching_causes": Script(("layer",), {"smollm2": 85}),
    "patching_tokens": Script(("layer",), {"smollm2": 85}),
    "fvu_l0": Script(("layer", "mlp_layer"), {"smollm2": 24}),
    # On SmolLM2 without alpha 0 in the residual stream.
    "living_features": Script(("layer", "mlp_layer"), {"smollm2": 55}),
    "similarity_across_sizes": Script(("layer",), {"smollm2": 13}),
    "moments": Script(("layer",), {"smollm2": 1}),
    "case_studies": Script(("layers",), {"smollm2": 9}),
    "circuit": Script(("layers",), {"smollm2": 18}),
    "ioi_accuracy": Script(("layer",), {"smollm2": 4}),
    "toy_recovery": Script((), {}),
}


def hook_points_of(setting, names):
    """Return the hook points that scripts read, in the order of the layers."""
    places = {
        "layers": [("resid_post", layer) for layer in setting.layers],
        "mlp_layers": [("mlp_out", layer) for layer in setting.mlp_layers],
        "layer": [("resid_post", setting.layer)],
        "mlp_layer": [("mlp_out", setting.layer)],
    }
    wanted = {place for name in names for kind in SCRIPTS[name].reads for place in places[kind]}
    return [f"{kind}.{layer}" for kind, layer in sorted(wanted, key=lambda place: place[::-1])]


def print_plan(model, names, waiting):
    """Print the scripts in their order, with what is done and how long the others took."""
    print("stages:\n  activations of all texts, once")
    for name in names:
        minutes = SCRIPTS[name].minutes.get(model)
        took = "" if minutes is None else f"about {minutes} min on one core"
        print(f"  {name:28}{took if name in waiting else 'done'}")
    known = [SCRIPTS[name].minutes.get(model) for name in waiting]
    if known and None not in known:
        print(f"about {sum(known) / 120:.1f} h on two cores, besides reading the texts", flush=True)
