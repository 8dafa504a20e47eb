"""Measure what features do to the model's output."""

from itertools import pairwise

import numpy as np
import torch
from scipy.stats import rankdata

from skdict._validation import check_number, check_random_state
from skdict.interventions._frozen_dictionary import (
    check_features,
    check_target_width,
    check_width,
    frozen_dictionary,
)
from skdict.interventions._hook_pairs import (
    check_order,
    encoded_name,
    find_pair,
    join_rows,
    split_pair,
)
from skdict.interventions._intervene import intervene
from skdict.interventions._text_batches import text_batches
from skdict.interventions.outputs._effects_table import OutputEffects
from skdict.interventions.outputs._final_norm import FinalNorm
from skdict.metrics import pearson
from skdict.models import (
    ForwardFrom,
    as_rows,
    at_least_float32,
    capture,
    evaluation_mode,
    find_hook_point,
    loaded_pair,
    readable_pieces,
    writes_to_the_residual_stream,
)

# Preparing to run from the hook point upward costs three forward passes of a batch.
MIN_PAIRS_PER_TEXT = 4
FINAL = "final norm"


def output_effects(
    model,
    hook_point,
    dictionary,
    texts,
    features=None,
    *,
    n_texts=16,
    n_tokens=10,
    max_length=256,
    batch_size=8,
    skip_first=1,
    device="auto",
    revision=None,
    trust_remote_code=False,
    random_state=None,
):
    r"""Measure how features change the log-probabilities of the next token.

    Each feature is ablated in texts in which it fires. Its effect on token v is

    .. math:: e_v = \frac{1}{|T|} \sum_{t \in T}
              \log p(v \mid x_t) - \log p(v \mid x_t \text{ without the feature})

    over the positions T at which it fires, in nats: positive if it makes the token more likely.
    Direct logit attribution is the effect that the feature would have if no later block reacted to
    it. With code c, decoder direction f, last residual stream y, final norm N and unembedding U,

    .. math:: d_v = \frac{1}{|T|} \sum_{t \in T} U_v \cdot (N(y_t) - N(y_t - c_t f)),

    minus its mean over the vocabulary, because adding one number to all logits changes nothing. If
    both rank tokens alike, the feature acts directly.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Causal language model: a name, a folder, or a loaded model with its tokenizer.
    hook_point : str, (str, str) or ((str, ...), str)
        Hook point of the features, see `ActivationExtractor`; or the two that a transcoder reads
        and predicts, or those of a crosscoder's block, see `intervene`. Features then fire at the
        first and act at the second.
    dictionary : estimator
        Dictionary fitted on activations from this hook point, or transcoder fitted on those from
        the pair.
    texts : list of str
        Texts in which to look for the features.
    features : int, sequence of int or None, default=None
        Features to measure. None measures all, which takes long for large dictionaries.
    n_texts : int, default=16
        Maximum number of texts per feature, drawn from those in which it fires.
    n_tokens : int, default=10
        Number of tokens that the table shows at each end.
    max_length : int, default=256
        Maximum number of tokens read from each text, special tokens included.
    batch_size : int, default=8
        Number of pairs of feature and text per forward pass.
    skip_first : int, default=1
        Number of positions at the start of each text to leave unchanged. Special tokens are left
        unchanged as well.
    device : str, default="auto"
        Device for a model given by name or folder.
    revision : str or None, default=None
        Branch, tag or commit of a model on the hub.
    trust_remote_code : bool, default=False
        If True, run the Python code that comes with a model given by name or folder. Read that
        code first.
    random_state : int, RandomState instance or None, default=None
        Seed for drawing texts. Pass an int for reproducible results across calls.

    Returns
    -------
    OutputEffects
        Table with the columns `feature`, `token`, `token_id`, `effect`, `direct`, `n_positions`
        and `agreement` (``to_dict``, ``to_frame``), ready for `write_report`, and the complete
        arrays. `direct` and `agreement` are nan if the hook point (the second, for a transcoder)
        does not write to the residual stream ("attn_heads", "mlp_act", module paths) or the model
        has no final norm before its unembedding.

    Raises
    ------
    TypeError
        If the model has no tokenizer or returns no logits, `dictionary` is not a dictionary, or
        `texts` is not a list of strings.
    ValueError
        If the hook point or a feature does not exist, a transcoder comes with a single hook point
        or another dictionary with a pair, no text has two ordinary tokens in a row, or a parameter
        is out of range.

    See Also
    --------
    intervene : Apply any edit, or a fitted eraser, to a running model.

    References
    ----------
    Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find Highly
    Interpretable Features in Language Models", section 5.

    Examples
    --------
    >>> from skdict import ActivationExtractor, RandomDictionary, load_stories
    >>> from skdict.interventions import output_effects
    >>> stories = load_stories()
    >>> texts = stories.texts[:4]
    >>> acts = ActivationExtractor(stories.model, "resid_post.4").fit_transform(texts)
    >>> dictionary = RandomDictionary(32, random_state=0).fit(acts)
    >>> table = output_effects(
    ...     stories.model, "resid_post.4", dictionary, texts, [3], random_state=0
    ... )
    >>> likelier, less_likely = table.tokens(3)
    >>> likelier[0][1] > 0 > less_likely[0][1]
    True
    """
    for name, value in (("n_texts", n_texts), ("n_tokens", n_tokens)):
        check_number(name, value, low=1, integer=True)
    module, tokenizer = loaded_pair(
        model, device=device, revision=revision, trust_remote_code=trust_remote_code
    )
    find_pair(module, hook_point)
    frozen = frozen_dictionary(dictionary, module, hook_point)
    features = check_features(features, frozen)
    options = {"max_length": max_length, "batch_size": batch_size, "skip_first": skip_first}
    batches = text_batches(module, tokenizer, texts, **options)
    sums = _Sums(module, hook_point, frozen, features)
    with torch.no_grad(), evaluation_mode(module):
        chosen = sums.draw_texts(batches, n_texts, check_random_state(random_state))
        for batch, pairs in zip(batches, chosen, strict=True):
            sums.add(batch, pairs, batch_size)
    return sums.table(readable_pieces(tokenizer), n_tokens)


class _Sums:
    """Running sums of effects over the positions at which features fire."""

    def __init__(self, model, hook_point, dictionary, features):
        self.model, self.hook_point = model, hook_point
        sources, self.target = split_pair(hook_point)
        self.read = sources or (self.target,)
        self.dictionary, self.features = dictionary, features
        self.final = FinalNorm.find(model) if writes_to_the_residual_stream(self.target) else None
        self.counts = np.zeros(len(features), dtype=int)
        self.effects = self.direct = None

    def draw_texts(self, batches, n_texts, rng):
        """Return, for each batch, the pairs (index of feature, text) to run."""
        fires = []
        places = {name: find_hook_point(self.model, name) for name in self.read}
        for batch in batches:
            with capture(places) as values:
                batch.run(self.model)
            codes = self._codes(values, batch)
            fires.append((codes != 0).any(dim=1).cpu().numpy())
        starts = np.cumsum([0, *map(len, fires)])
        fires = np.concatenate(fires)
        pairs = []
        for number in range(len(self.features)):
            texts = np.flatnonzero(fires[:, number])
            some = rng.choice(texts, min(n_texts, len(texts)), replace=False)
            pairs += [(number, text) for text in some]
        return [
            [(number, text - start) for number, text in pairs if start <= text < end]
            for start, end in pairwise(starts)
        ]

    def _codes(self, values, batch):
        """Return codes of the features, (texts, tokens, features); zero at unedited tokens."""
        x = join_rows([as_rows(values[name], batch.ids.shape, name) for name in self.read])
        check_width(encoded_name(self.hook_point), x.shape[-1], self.dictionary)
        x = x.to(self.dictionary.offset)
        codes = x.new_zeros(*batch.ids.shape, len(self.features))
        codes[batch.kept] = self.dictionary.encode(x[batch.kept])[:, self.features]
        return codes

    def add(self, batch, pairs, batch_size):
        """Add the effects of the pairs (index of feature, text) of a batch."""
        if not pairs:
            return
        clean, codes, final = self._unedited(batch)
        resumed = None
        if len(pairs) >= MIN_PAIRS_PER_TEXT * len(batch.ids):
            mask = None if batch.mask.all() else batch.mask
            resumed = ForwardFrom(self.model, self.target, batch.ids, mask)
            check_target_width(self.target, resumed.hidden.shape[-1], self.dictionary)
        for start in range(0, len(pairs), batch_size):
            part = pairs[start : start + batch_size]
            edited = (
                self._ablated(batch, part)
                if resumed is None
                else self._ablated_upward(resumed, part, codes)
            )
            for (number, text), after in zip(part, edited, strict=True):
                fires = codes[text, :, number] != 0
                self.counts[number] += int(fires.sum())
                after = after[fires] if resumed is None else after[: fires.sum()]
                self._sum("effects", number, clean[text, fires] - after)
                if self.final is not None:
                    atom = self.dictionary.components[self.features[number]]
                    moved = codes[text, fires, number][:, None] * atom
                    difference = self.final.difference(final[text, fires], moved)
                    self._sum("direct", number, difference)

    def _unedited(self, batch):
        """Return log-probabilities, codes and the input of the final norm, if there is one."""
        names = dict.fromkeys((*self.read, self.target))
        places = {name: find_hook_point(self.model, name) for name in names}
        if self.final is not None:
            places[FINAL] = self.final.point
        with capture(places, stop=False) as values:
            clean = _log_probabilities(batch.run(self.model))
        check_order(self.hook_point, values)
        shape = batch.ids.shape
        codes = self._codes(values, batch)
        final = None if self.final is None else as_rows(values[FINAL], shape, FINAL)
        return clean, codes, final

    def _sum(self, name, number, differences):
        if getattr(self, name) is None:
            shape = len(self.features), differences.shape[-1]
            setattr(self, name, np.zeros(shape))
        getattr(self, name)[number] += differences.double().sum(dim=0).cpu().numpy()

    def _ablated(self, batch, pairs):
        """Return log-probabilities of texts, each with its own feature ablated."""
        texts = torch.tensor([text for _, text in pairs])
        columns = torch.tensor([self.features[number] for number, _ in pairs])

        def ablate(codes):
            codes[torch.arange(len(codes)), :, columns.to(codes.device)] = 0
            return codes

        some = batch.rows(texts)
        with intervene(self.model, self.hook_point, self.dictionary, ablate, positions=some.kept):
            return _log_probabilities(some.run(self.model))

    def _ablated_upward(self, resumed, pairs, codes):
        """Return the same for the positions at which the features fire, which come first.

        The model runs from the hook point upward, and only these positions are unembedded.
        """
        numbers, texts = (
            torch.tensor(part, device=codes.device) for part in zip(*pairs, strict=True)
        )
        c = codes[texts, :, numbers]
        fires = c != 0
        positions = fires.long().argsort(dim=1, descending=True, stable=True)
        positions = positions[:, : fires.sum(dim=1).max()]
        features = torch.tensor(self.features, device=codes.device)[numbers]
        x = resumed.hidden[texts] - c[..., None] * self.dictionary.components[features][:, None]
        return _log_probabilities(resumed.logits(texts, x, positions))

    def table(self, vocabulary, n_tokens):
        """Return the mean effects as a table."""
        shape = len(self.features), len(vocabulary)
        effects = self._mean(self.effects, shape)
        direct = self._mean(self.direct, shape)
        direct -= direct.mean(axis=1, keepdims=True)
        # A model may have more logits than its tokenizer has tokens.
        vocabulary = vocabulary + [""] * (effects.shape[1] - len(vocabulary))
        agreement = [
            _spearman(one, other) if n else np.nan
            for one, other, n in zip(effects, direct, self.counts, strict=True)
        ]
        return OutputEffects(
            np.array(self.features, dtype=int),
            self.counts,
            effects,
            direct,
            np.array(agreement),
            vocabulary,
            n_tokens,
        )

    def _mean(self, sums, shape):
        if sums is None:
            return np.full(
                shape if self.effects is None else self.effects.shape, np.nan, np.float32
            )
        with np.errstate(invalid="ignore"):
            return (sums / self.counts[:, None]).astype(np.float32)


def _log_probabilities(logits):
    return at_least_float32(logits).log_softmax(dim=-1)


def _spearman(one, other):
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return np.nan
    return pearson(rankdata(one), rankdata(other))
