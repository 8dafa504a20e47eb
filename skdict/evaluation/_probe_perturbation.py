"""Targeted probe perturbation: ablate the features of one class and read all probes."""

from functools import cached_property

import numpy as np
import torch

from skdict._validation import check_number
from skdict.evaluation._ablated_probes import ModelReader, RowReader, read_rows
from skdict.evaluation._labelled_units import LabelledUnits
from skdict.evaluation._positive_features import PositiveFeatures
from skdict.interventions import text_batches
from skdict.models import evaluation_mode, loaded_pair, verify_found

SMALLEST_BIAS = 1e-3


class ProbePerturbation:
    r"""Scorer of how selectively features of one class can be ablated (TPP, SCR).

    For each class, the features with the largest effect on its probe are ablated. In a good
    dictionary, this lowers the accuracy of that probe and of no other (targeted probe perturbation,
    TPP). With `spurious`, features of a spurious attribute are ablated to repair a probe that was
    trained where attribute and class coincide (spurious correlation removal, SCR). Probes are read
    on the edited rows; `from_model` reads them in the running model, at a later hook point.

    Parameters
    ----------
    X : array-like of shape (n, n_features)
        Rows of the hook point of the dictionaries.
    labels : array-like of shape (n,) or (n, n_classes)
        Class of each row, or a column of bool for each class, which may then overlap. TPP needs at
        least three classes, or two that overlap; with `spurious`, there must be two.
    spurious : array-like of shape (n,) or None, default=None
        Spurious attribute of each row, with two values. The probe to repair is trained on rows
        where both have their first value or both their second, in sorted order.
    groups : array-like of shape (n,) or None, default=None
        Group of each row. Rows of a group are all in the training or all in the test part.
    pool : bool, default=False
        If True, probes read the mean row of each group, so that labels are those of texts. All
        rows of a group must then have the same labels.
    n_ablated : list of int, default=(2, 5, 10, 20, 50)
        Numbers of features to ablate.
    test_size : float, default=0.2
        Share of the groups to measure on, in (0, 1).
    random_state : int, RandomState instance or None, default=0
        Seed for the split.

    Raises
    ------
    ValueError
        If lengths differ, labels have the wrong shape or number of classes or differ within a
        pooled group, a class is missing from a part of the split, or a parameter is out of range.
    TypeError
        If a parameter has the wrong type.

    See Also
    --------
    Absorption : Measure features that stay silent because more specific ones replace them.

    Notes
    -----
    Definitions follow SAEBench [1]_. Probes are logistic regressions on balanced classes, one for
    each class against the rest, and accuracies are balanced, so chance is 0.5. With the weights w
    of a probe and the difference :math:`\Delta_i` of the mean code of feature i, inside the class
    minus outside, on training rows, the effect of a feature is

    .. math:: \max(\Delta_i, 0) \; w \cdot f_i \quad \text{(TPP)}, \qquad
        |\Delta_i \; w \cdot f_i| \quad \text{(SCR)},

    and only features with a positive effect are ablated. With the drop :math:`d_{ij}` in the
    accuracy of probe j after ablating the features of class i,

    .. math:: \mathrm{TPP} = \mathrm{mean}_i \, (d_{ii} - \mathrm{mean}_{j \neq i} \, d_{ij}),

    which is at most 0.5, and

    .. math:: \mathrm{SCR} = \frac{A_\mathrm{ablated} - A_\mathrm{biased}}
              {A_\mathrm{unbiased} - A_\mathrm{biased}},

    with accuracies on rows that weigh the four combinations of class and attribute equally; it is
    nan if the biased probe is less than 0.001 below the unbiased one. Ablation sets codes to zero
    and keeps the reconstruction error. Negative codes count as a feature of their own.

    SAEBench keeps the epoch of a probe that is best on the test rows; here, probes never see them.
    Neither measure is a headline: TPP can fall during training, and SCR rewards removing too much.

    References
    ----------
    .. [1] Karvonen et al. (2025), "SAEBench: A Comprehensive Benchmark for Sparse Autoencoders in
       Language Model Interpretability".

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.evaluation import ProbePerturbation
    >>> labels = np.arange(300) % 3
    >>> X = np.eye(3)[labels]
    >>> ProbePerturbation(X, labels, n_ablated=[1]).measure(IdentityDictionary().fit(X))
    {'tpp_1': 0.5}
    """

    def __init__(
        self,
        X,
        labels,
        *,
        spurious=None,
        groups=None,
        pool=False,
        n_ablated=(2, 5, 10, 20, 50),
        test_size=0.2,
        random_state=0,
    ):
        self.n_ablated = _check_sizes(n_ablated)
        options = {"groups": groups, "pool": pool, "test_size": test_size}
        self.units = LabelledUnits(X, labels, spurious, random_state=random_state, **options)
        self._read_means = self.units.means
        self._reader = RowReader(*self.units.test_rows())

    @classmethod
    def from_model(
        cls,
        model,
        hook_point,
        texts,
        labels,
        *,
        read_at=None,
        spurious=None,
        n_ablated=(2, 5, 10, 20, 50),
        test_size=0.2,
        max_length=256,
        batch_size=8,
        random_state=0,
    ):
        """Return the scorer for labelled texts, whose probes read the mean row of each text.

        Parameters
        ----------
        model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
            Causal language model: a name, a folder, or a loaded model with its tokenizer.
        hook_point : str
            Hook point of the dictionaries, see `ActivationExtractor`.
        texts : list of str
            Labelled texts.
        labels : array-like of shape (n_texts,) or (n_texts, n_classes)
            Class of each text, or a column of bool for each class.
        read_at : str or None, default=None
            Hook point at which the probes are read. Features are then ablated while the model
            runs, once for each class and number of features. None reads the probes on the edited
            rows of `hook_point`, without running the model again.
        spurious, n_ablated, test_size, random_state : object
            See the class.
        max_length : int, default=256
            Maximum number of tokens read from each text, special tokens included.
        batch_size : int, default=8
            Number of texts per forward pass.

        Returns
        -------
        ProbePerturbation
            Scorer that reads the first token of no text, nor special tokens.

        Raises
        ------
        ValueError
            If a hook point does not exist, a text has no token to read, or the class raises it.
        TypeError
            If the model has no tokenizer or `texts` is not a list of strings.
        """
        module, tokenizer = loaded_pair(model)
        names = [hook_point] if read_at is None else [hook_point, read_at]
        options = {"max_length": max_length, "batch_size": batch_size, "skip_first": 1}
        batches = text_batches(module, tokenizer, texts, **options)
        verify_found(module, names)
        rows, text_of, means = _read_texts(module, batches, names)
        if len(labels) != len(texts):
            raise ValueError(
                f"labels has length {len(labels)} but there are {len(texts)} texts; pass one for "
                f"each text"
            )
        scorer = cls(
            rows,
            np.asarray(labels)[text_of],
            spurious=None if spurious is None else np.asarray(spurious)[text_of],
            groups=text_of,
            pool=True,
            n_ablated=n_ablated,
            test_size=test_size,
            random_state=random_state,
        )
        if read_at is not None:
            scorer._read_means = means
            some = [texts[i] for i in scorer.units.test]
            later = text_batches(module, tokenizer, some, **options)
            scorer._reader = ModelReader(module, hook_point, read_at, later)
        return scorer

    def __call__(self, dictionary, X=None):
        """Return the mean over `n_ablated` of TPP or, with `spurious`, of SCR.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary.
        X : None
            Ignored; the scorer has rows of its own.

        Returns
        -------
        float
            Mean score.
        """
        return float(np.mean(list(self.measure(dictionary).values())))

    def measure(self, dictionary, X=None):
        """Return the scores of a fitted dictionary for each number of ablated features.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary.
        X : None
            Ignored; the scorer has rows of its own.

        Returns
        -------
        dict of str to float
            `tpp_2`, `tpp_5`, ... or, with `spurious`, `scr_2`, `scr_5`, ...

        Raises
        ------
        TypeError
            If the estimator is not a fitted dictionary.
        ValueError
            If its width differs from that of the rows.
        """
        if self.units.attribute is not None:
            return self._scr(dictionary)
        scores = {}
        for n, drops in zip(self.n_ablated, self.drops(dictionary), strict=True):
            own = np.diag(drops)
            others = (drops.sum(axis=1) - own) / (len(drops) - 1)
            scores[f"tpp_{n}"] = float((own - others).mean())
        return scores

    def drops(self, dictionary):
        """Return how much each ablation lowers the balanced accuracy of each probe.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary.

        Returns
        -------
        ndarray of shape (len(n_ablated), n_classes, n_classes)
            Drop in accuracy by number of ablated features, class whose features are ablated, and
            class whose probe is read.

        Raises
        ------
        TypeError
            If the estimator is not a fitted dictionary.
        ValueError
            If its width differs from that of the rows.
        """
        units, n_classes = self.units, self.units.present.shape[1]
        features = PositiveFeatures(dictionary, units.X.shape[1])
        changes = units.code_changes(features, units.present.T, np.ones(len(units.present)))
        weights = np.stack([probe.weights for probe in self._effect_probes])
        effects = np.maximum(changes, 0) * (weights @ features.directions.T)
        chosen = [_strongest(effect, n) for n in self.n_ablated for effect in effects]
        clean, *ablated = self._scores(self._read_probes, features, chosen)
        present = units.present[units.test]
        accuracy = np.array([_balanced_accuracy(scores, present) for scores in ablated])
        drops = _balanced_accuracy(clean, present) - accuracy
        return drops.reshape(len(self.n_ablated), n_classes, n_classes)

    def _scr(self, dictionary):
        """Return the share of the damage by a spurious attribute that each ablation repairs."""
        units = self.units
        truth, attribute, cells = units.present[:, 1], units.attribute, units.cells
        balanced = 1 / np.bincount(cells[units.train])[cells]
        features = PositiveFeatures(dictionary, units.X.shape[1])
        (change,) = units.code_changes(features, [attribute], balanced)
        weights = units.probe(units.means, attribute, balanced).weights
        effect = np.abs(change * (features.directions @ weights))
        chosen = [_strongest(effect, n) for n in self.n_ablated]
        probes = [
            units.probe(self._read_means, truth, balanced * (truth == attribute)),
            units.probe(self._read_means, truth, balanced),
        ]
        scores = self._scores(probes, features, chosen)
        right = [(s > 0) == truth[units.test, None] for s in scores]
        accuracy = [_mean_of_cells(r, cells[units.test]) for r in right]
        biased, unbiased = accuracy[0]
        if unbiased - biased < SMALLEST_BIAS:
            return {f"scr_{n}": np.nan for n in self.n_ablated}
        repaired = [(after[0] - biased) / (unbiased - biased) for after in accuracy[1:]]
        return {f"scr_{n}": float(v) for n, v in zip(self.n_ablated, repaired, strict=True)}

    def _scores(self, probes, features, ablations):
        """Return the scores of the test units, computing equal ablations once."""
        keys = [tuple(ablated) for ablated in ablations]
        distinct = {key: np.array(key, dtype=int) for key in keys}
        clean, *found = self._reader.scores(probes, features, list(distinct.values()))
        by_key = dict(zip(distinct, found, strict=True))
        return [clean, *(by_key[key] for key in keys)]

    @cached_property
    def _effect_probes(self):
        """Probes of all classes at the hook point of the dictionaries."""
        return self._class_probes(self.units.means)

    @cached_property
    def _read_probes(self):
        """Probes of all classes where they are read."""
        same = self._read_means is self.units.means
        return self._effect_probes if same else self._class_probes(self._read_means)

    def _class_probes(self, means):
        return [self.units.probe(means, present) for present in self.units.present.T]


def _read_texts(module, batches, names):
    """Return the rows at the first hook point, the text of each, and mean rows at the last."""
    found = {}
    with torch.no_grad(), evaluation_mode(module):
        for batch in batches:
            rows = read_rows(module, batch, names)
            parts = zip(batch.texts, rows[names[0]], rows[names[-1]], strict=True)
            found |= {text: (first, last) for text, first, last in parts}
    empty = [text for text, (first, _) in found.items() if not len(first)]
    if empty:
        raise ValueError(
            f"texts[{min(empty)}] has no token to read after its first; remove such texts"
        )
    order = sorted(found)
    text_of = np.repeat(order, [len(found[text][0]) for text in order])
    means = np.stack([found[text][1].mean(axis=0) for text in order])
    return np.concatenate([found[text][0] for text in order]), text_of, means


def _check_sizes(n_ablated):
    sizes = list(n_ablated) if np.iterable(n_ablated) else [n_ablated]
    for size in sizes:
        check_number("n_ablated", size, low=1, integer=True)
    if not sizes or len(set(sizes)) < len(sizes):
        raise ValueError(
            f"n_ablated={n_ablated!r} is empty or has duplicates; pass at least one number, each "
            f"once"
        )
    return [int(size) for size in sizes]


def _strongest(effects, n):
    """Return the features with the n largest effects, without those that have none."""
    order = np.argsort(-effects, kind="stable")[:n]
    return order[effects[order] > 0]


def _balanced_accuracy(scores, present):
    """Return the balanced accuracy of each probe."""
    found = scores > 0
    inside = (found & present).sum(axis=0) / present.sum(axis=0)
    outside = (~found & ~present).sum(axis=0) / (~present).sum(axis=0)
    return (inside + outside) / 2


def _mean_of_cells(right, cells):
    """Return the mean over the four cells of the share that is right, for each probe."""
    return np.mean([right[cells == cell].mean(axis=0) for cell in range(4)], axis=0)
