"""The paper's circuit search: which features at earlier hook points drive a feature."""

import numpy as np
import torch
from sklearn.utils import Bunch

from skdict._validation import check_number, check_random_state, check_texts
from skdict.interventions._frozen_dictionary import check_features, check_width, frozen_dictionary
from skdict.models import (
    ForwardFrom,
    as_rows,
    capture,
    check_continues_texts,
    check_token_ids,
    encode_texts,
    evaluation_mode,
    find_hook_point,
    input_device,
    loaded_pair,
    pad,
)


def find_circuit(
    model,
    dictionaries,
    target,
    texts,
    *,
    n_contexts=20,
    n_parents=5,
    max_depth=None,
    max_length=128,
    skip_first=1,
    batch_size=256,
    random_state=None,
):
    r"""Find the features at earlier hook points that drive a target feature, recursively.

    Contexts are drawn from the positions at which the target's code a is at least half of its
    maximum over the texts. Each feature p of the next lower hook point that fires in a context is
    ablated, at all positions but the first, by subtracting its code times its decoder direction.
    The model then runs up to the target's hook point. The weight of the edge is the drop in the
    target's code at its position,

    .. math:: \mathrm{drop}_p = \overline{a(x) - a(x - c_p f_p)},

    averaged over contexts. The features with the largest drops become parents, and targets in
    turn.

    Parameters
    ----------
    model : str, path or (module, tokenizer)
        Loaded model with its tokenizer, or its name or folder.
    dictionaries : dict of str to estimator
        Fitted dictionaries by hook point, at least two. Their order does not matter; the search
        follows the order in which the model reaches the hook points.
    target : (str, int)
        Hook point and feature to explain.
    texts : list of str
        Texts to draw contexts from.
    n_contexts : int, default=20
        Maximum number of contexts per target.
    n_parents : int, default=5
        Maximum number of parents per target. Features that do not lower the target's code are
        never parents.
    max_depth : int, optional
        Maximum number of steps below the target. By default the search ends at the lowest hook
        point.
    max_length : int, default=128
        Maximum number of tokens read from each text.
    skip_first : int, default=1
        Number of positions at the start of each text that are neither used as contexts nor
        ablated.
    batch_size : int, default=256
        Number of contexts per forward pass.
    random_state : int, RandomState instance or None, default=None
        Seed for drawing contexts. Pass an int for reproducible results across calls.

    Returns
    -------
    Bunch
        nodes : list of dict
            One per feature, with `hook_point`, `feature`, `depth` (0 for the target),
            `max_activation` (the largest code over the texts), `n_contexts`, and `activation`
            (the mean code over its contexts). The last three are None for features that were
            not targets themselves.
        edges : list of dict
            `parent` and `child`, each a pair (hook point, feature); `drop`, in units of the
            child's code; and `relative_drop`, the drop divided by the child's mean code.
        graph : networkx.DiGraph or None
            The same as a graph with edge weight `drop`; None if networkx is not installed.

    Raises
    ------
    TypeError
        If the model has no tokenizer or an argument has the wrong type.
    ValueError
        If there are fewer than two dictionaries, a dictionary does not match the width of its
        hook point, or the target does not exist, is at the lowest hook point or never fires on
        the texts.

    See Also
    --------
    patching_curve : Find the features that carry a behaviour.
    intervene : Apply any edit, or a fitted eraser, to a running model.
    virtual_weights : Rank possible parents by weights alone.

    Notes
    -----
    The search ablates features itself and takes no edit. To study another edit or an eraser, run
    the model inside `intervene`.

    References
    ----------
    Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find Highly
    Interpretable Features in Language Models", section 5.3 and figure 5.

    Examples
    --------
    >>> import torch
    >>> from skdict import load_stories
    >>> from skdict.decomposition import RandomDictionary
    >>> from skdict.interventions import find_circuit
    >>> stories, rows = load_stories(), torch.randn(64, 128).numpy()
    >>> dictionaries = {
    ...     f"resid_post.{i}": RandomDictionary(16, random_state=i).fit(rows) for i in (1, 2)
    ... }
    >>> circuit = find_circuit(
    ...     stories.model, dictionaries, ("resid_post.2", 3), stories.texts[:3], n_parents=2,
    ...     random_state=0,
    ... )
    >>> [edge["child"] for edge in circuit.edges]
    [('resid_post.2', 3), ('resid_post.2', 3)]
    """
    for name, value in (("n_contexts", n_contexts), ("n_parents", n_parents)):
        check_number(name, value, low=1, integer=True)
    check_number("max_length", max_length, low=2, integer=True)
    check_number("skip_first", skip_first, low=0, integer=True)
    check_number("batch_size", batch_size, low=1, integer=True)
    if max_depth is not None:
        check_number("max_depth", max_depth, low=1, integer=True)
    module, tokenizer = loaded_pair(model)
    check_continues_texts(module)
    target = _check_target(dictionaries, target)
    frozen = {name: frozen_dictionary(d, module) for name, d in dictionaries.items()}
    check_features([target[1]], frozen[target[0]])
    ids = _token_ids(module, tokenizer, check_texts(texts), max_length, skip_first)
    with evaluation_mode(module), torch.no_grad():
        search = _Search(module, frozen, ids, n_contexts, skip_first, batch_size, random_state)
        return search.run(target, n_parents, max_depth)


def _check_target(dictionaries, target):
    if not isinstance(dictionaries, dict) or len(dictionaries) < 2:
        raise ValueError(
            f"dictionaries={dictionaries!r} is not accepted: pass a dict of hook points to "
            f"fitted dictionaries, with at least two"
        )
    if not isinstance(target, (tuple, list)) or len(target) != 2:
        raise TypeError(f"target={target!r} is not accepted: pass (hook point, feature)")
    if target[0] not in dictionaries:
        raise ValueError(
            f"target={target!r} is at a hook point without a dictionary; use one of "
            f"{', '.join(map(repr, dictionaries))}"
        )
    return target[0], int(target[1])


def _token_ids(model, tokenizer, texts, max_length, skip_first):
    """Return the token ids of the texts that are longer than `skip_first`."""
    encoded = [[*text.prefix, *text.body][:max_length] for text in encode_texts(tokenizer, texts)]
    check_token_ids(model, tokenizer, enumerate(encoded))
    return [ids for ids in encoded if len(ids) > skip_first]


class _Search:
    """Codes at every hook point on all texts, and the search downwards from a target."""

    def __init__(self, model, dictionaries, ids, n_contexts, skip_first, batch_size, seed):
        self.model, self.ids, self.n_contexts = model, ids, n_contexts
        self.skip_first, self.batch_size = skip_first, batch_size
        self.rng, self.device = check_random_state(seed), input_device(model)
        points = {name: find_hook_point(model, name) for name in dictionaries}
        self.codes = {name: [] for name in dictionaries}
        for text in ids:
            with capture(points, stop=False) as values:
                model(torch.as_tensor(text, device=self.device)[None])
            for name, value in values.items():
                rows = as_rows(value, (1, len(text)), name)[0].to(dictionaries[name].offset)
                check_width(name, rows.shape[1], dictionaries[name])
                self.codes[name].append(dictionaries[name].encode(rows).cpu())
        # In the order in which the model reaches them.
        self.places = list(values)
        self.dictionaries = {name: dictionaries[name] for name in self.places}

    def run(self, target, n_parents, max_depth):
        """Return the nodes, edges and graph of the circuit."""
        if target[0] == self.places[0]:
            raise ValueError(
                f"target={target!r} is at the lowest hook point, where nothing below can drive it; "
                f"add a dictionary at an earlier hook point"
            )
        nodes, edges, queue = {target: {"depth": 0}}, [], [target]
        while queue:
            child = queue.pop(0)
            facts, parents = self._parents(child, n_parents)
            nodes[child] |= facts
            depth = nodes[child]["depth"] + 1
            for parent, drop in parents:
                relative = drop / facts["activation"]
                edges.append(
                    {"parent": parent, "child": child, "drop": drop, "relative_drop": relative}
                )
                if parent in nodes:
                    continue
                nodes[parent] = {"depth": depth}
                goes_on = parent[0] != self.places[0] and (max_depth is None or depth < max_depth)
                queue += [parent] if goes_on else []
        unknown = {"max_activation": None, "n_contexts": None, "activation": None}
        table = [
            {"hook_point": name, "feature": feature} | unknown | facts
            for (name, feature), facts in nodes.items()
        ]
        return Bunch(nodes=table, edges=edges, graph=_graph(table, edges))

    def _contexts(self, target):
        """Return the largest code of a feature, and drawn contexts (text, position) for it."""
        name, feature = target
        values = [codes[self.skip_first :, feature].numpy() for codes in self.codes[name]]
        largest = max(float(v.max()) for v in values)
        if largest <= 0:
            raise ValueError(
                f"target={target!r} never fires on these texts; pass more texts or another feature"
            )
        found = [
            (text, position + self.skip_first)
            for text, v in enumerate(values)
            for position in np.flatnonzero(v >= largest / 2)
        ]
        chosen = self.rng.permutation(len(found))[: self.n_contexts]
        return largest, [found[i] for i in sorted(chosen)]

    def _parents(self, child, n_parents):
        """Return what is measured of a target, and its parents with their drops."""
        name, feature = child
        below = self.places[self.places.index(name) - 1]
        largest, contexts = self._contexts(child)
        ids, mask = pad([self.ids[text][: end + 1] for text, end in contexts], self.device)
        resumed = ForwardFrom(self.model, below, ids, None if mask.all() else mask)
        ends = torch.tensor([end for _, end in contexts], device=self.device)
        lower, upper = self.dictionaries[below], self.dictionaries[name]
        codes = lower.encode(resumed.hidden) * mask[..., None]
        codes[:, : self.skip_first] = 0

        def activation(rows, x):
            read = resumed.read(name, rows, x)[torch.arange(len(rows)), ends[rows]]
            return upper.encode(read.to(upper.offset))[:, feature].double()

        before = activation(torch.arange(len(contexts), device=self.device), resumed.hidden)
        # Ablating a feature in a context where it does not fire changes nothing.
        which, rows = (codes != 0).any(dim=1).T.nonzero(as_tuple=True)
        drops = torch.zeros(len(lower.components), dtype=torch.float64, device=self.device)
        for start in range(0, len(rows), self.batch_size):
            p, at = which[start : start + self.batch_size], rows[start : start + self.batch_size]
            x = resumed.hidden[at] - codes[at, :, p][..., None] * lower.components[p][:, None]
            drops.index_add_(0, p, before[at] - activation(at, x))
        drops /= len(contexts)
        strongest = drops.argsort(descending=True)[:n_parents].tolist()
        facts = {
            "max_activation": largest,
            "n_contexts": len(contexts),
            "activation": float(before.mean()),
        }
        return facts, [((below, p), float(drops[p])) for p in strongest if drops[p] > 0]


def _graph(nodes, edges):
    try:
        import networkx
    except ImportError:
        return None
    graph = networkx.DiGraph()
    for node in nodes:
        graph.add_node((node["hook_point"], node["feature"]), **node)
    for edge in edges:
        graph.add_edge(
            edge["parent"], edge["child"], drop=edge["drop"], relative_drop=edge["relative_drop"]
        )
    return graph
