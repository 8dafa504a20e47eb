"""The paper's search for circuits: which features of earlier places make a feature fire."""

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
    r"""Search for the features of earlier places that make a feature fire, and for theirs.

    Contexts are drawn in which the target's code a is at least half of its maximum over the
    texts. Each feature p of the place below that fires anywhere in them is ablated, at all
    positions but the first, by subtracting its code times its atom; the model runs up to the
    target's place, and the drop of the target's code at its position,

    .. math:: \mathrm{drop}_p = \overline{a(x) - a(x - c_p f_p)},

    is the weight of the edge, mean over contexts. The features with the largest drops are
    parents, and targets in turn.

    Parameters
    ----------
    model : str, path or (module, tokenizer)
        A loaded model with its tokenizer, or its name or folder.
    dictionaries : dict of str to estimator
        Hook point to a dictionary fitted there, two at least, in any order: the model's own
        order counts.
    target : (str, int)
        Hook point and feature to explain.
    texts : list of str
        Where to look for contexts.
    n_contexts : int, default=20
        Contexts of each target.
    n_parents : int, default=5
        Parents of each target, at most; features that do not lower it are none.
    max_depth : int, optional
        Steps down from the target; by default to the lowest dictionary.
    max_length : int, default=128
        Tokens of a text that are read.
    skip_first : int, default=1
        Positions at the start of each text that are neither contexts nor ablated.
    batch_size : int, default=256
        Contexts of one forward pass.
    random_state : int, RandomState instance or None, default=None
        Which contexts are drawn.

    Returns
    -------
    Bunch
        nodes : list of dict
            `hook_point`, `feature`, `depth` (0 for the target), `max_activation` over the
            texts, `n_contexts`, and `activation`, the mean code over its contexts; these
            three are None where it was not a target itself.
        edges : list of dict
            `parent` and `child`, each (hook point, feature), `drop` in units of the child's
            code, and `relative_drop`, over the child's mean code.
        graph : networkx.DiGraph or None
            The same as a graph with the edge weight `drop`; None where networkx is not
            installed.

    Raises
    ------
    TypeError
        If the model comes without a tokenizer or an argument is of a wrong kind.
    ValueError
        If there are fewer than two dictionaries, one is of another width than its hook point,
        the target does not exist, is at the lowest place or never fires on the texts.

    See Also
    --------
    patching_curve : Which features make the model's answer.

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
            f"fitted dictionaries, two at least"
        )
    if not isinstance(target, (tuple, list)) or len(target) != 2:
        raise TypeError(f"target={target!r} is not accepted: pass (hook point, feature)")
    if target[0] not in dictionaries:
        raise ValueError(
            f"target={target!r} is at a hook point without a dictionary; there are "
            f"{', '.join(map(repr, dictionaries))}"
        )
    return target[0], int(target[1])


def _token_ids(model, tokenizer, texts, max_length, skip_first):
    """Return the token ids of texts that have a position to look at."""
    encoded = [[*text.prefix, *text.body][:max_length] for text in encode_texts(tokenizer, texts)]
    check_token_ids(model, tokenizer, enumerate(encoded))
    return [ids for ids in encoded if len(ids) > skip_first]


class _Search:
    """Codes of all places on all texts, and the search from a target downwards."""

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
        # In the order in which the model comes by them.
        self.places = list(values)
        self.dictionaries = {name: dictionaries[name] for name in self.places}

    def run(self, target, n_parents, max_depth):
        """Return nodes, edges and the graph."""
        if target[0] == self.places[0]:
            raise ValueError(
                f"target={target!r} is at the lowest place, so nothing below could make it fire; "
                f"add a dictionary below it"
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
        """Return (text, position) of contexts in which a feature fires strongly."""
        name, feature = target
        values = [codes[self.skip_first :, feature].numpy() for codes in self.codes[name]]
        largest = max(float(v.max()) for v in values)
        if largest <= 0:
            raise ValueError(
                f"target={target!r} never fires on these texts; pass more, or another feature"
            )
        found = [
            (text, position + self.skip_first)
            for text, v in enumerate(values)
            for position in np.flatnonzero(v >= largest / 2)
        ]
        chosen = self.rng.permutation(len(found))[: self.n_contexts]
        return largest, [found[i] for i in sorted(chosen)]

    def _parents(self, child, n_parents):
        """Return what is known of a target, and its parents with their drops."""
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
        # A feature that is silent in a context changes nothing there.
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
