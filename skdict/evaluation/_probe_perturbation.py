"""Targeted probe perturbation: ablate the features of one class and read all probes."""

from functools import cached_property

import numpy as np

from skdict._validation import check_number, check_random_state
from skdict.evaluation._ablated_probes import ModelReader, RowReader
from skdict.evaluation._perturbation_scores import drops_of, scr_of, tpp_of
from skdict.evaluation._positive_features import PositiveFeatures
from skdict.evaluation._probed_units import ProbedUnits
from skdict.feature_extraction import extract_activations
from skdict.interventions import text_batches
from skdict.metrics.probing import resampled_means, stratified_mean, tally, with_interval
from skdict.models import loaded_pair


class ProbePerturbation:
    r"""Scorer of how selectively features of one class can be ablated (TPP, SCR).

    For each class, the features with the largest effect on its probe are ablated. In a good
    dictionary, this lowers the accuracy of that probe and of no other (targeted probe perturbation,
    TPP). With `spurious`, features of a spurious attribute are ablated to repair a probe that was
    trained where attribute and class coincide (spurious correlation removal, SCR). Probes are read
    on the edited rows; `from_model` reads them in the running model, at a later hook point.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        Rows of the hook point of the dictionaries, in whose place the rows of a comparison are not
        used. Probes are fitted on them once, for any number of dictionaries.
    labels : array-like of shape (n_rows,), dict of str to array-like, Bunch, or callable
        Labels of the rows or, with ``per_document=True``, indexed by document, as for
        `SparseProbing`. TPP needs a label of at least three classes, or several labels; with
        `spurious`, there must be one label of two classes. Only rows or documents with all labels
        are used.
    spurious : array-like, dict, Bunch, callable or None, default=None
        Spurious attribute, with two values, in the form of `labels`. The probe to repair is
        trained where class and attribute both have their first value or both their second, in
        sorted order.
    per_document : bool, default=False
        If True, labels are indexed by document, and probes read the mean row of each document.
    groups : array-like, callable or None, default=None
        Group of each row or document, as for `SparseProbing`. All members of a group are in the
        training part or in the test part. None groups by document, where rows have documents.
    n_ablated : int or list of int, default=(2, 5, 10, 20, 50)
        Numbers of features to ablate.
    test_size : float, default=0.2
        Share of the groups to measure on, in (0, 1).
    max_samples : int, default=4000
        Maximum number of rows or documents in each part, drawn at random.
    random_state : int, RandomState instance or None, default=0
        Seed for the split, the drawn samples and the bootstrap.

    Raises
    ------
    ValueError
        If labels or groups do not fit the rows, there are too few classes, a class is missing from
        a part of the split, or a parameter is out of range.
    TypeError
        If a parameter has the wrong type, or labels are not bool, int or str.

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
    and keeps the reconstruction error. Negative codes count as a feature of their own. The
    confidence intervals are percentiles over 1,000 bootstrap samples of the test groups.

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
    {'tpp_1': 0.5, 'tpp_1_low': 0.5, 'tpp_1_high': 0.5}
    """

    def __init__(
        self,
        X,
        labels,
        *,
        spurious=None,
        per_document=False,
        groups=None,
        n_ablated=(2, 5, 10, 20, 50),
        test_size=0.2,
        max_samples=4000,
        random_state=0,
    ):
        self.n_ablated = _check_sizes(n_ablated)
        random_state = check_random_state(random_state)
        self.units = ProbedUnits(
            X,
            labels,
            spurious,
            per_document=per_document,
            groups=groups,
            test_size=test_size,
            max_samples=max_samples,
            random_state=random_state,
        )
        self._seed = random_state.randint(np.iinfo(np.int32).max)
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
        max_length=256,
        batch_size=8,
        **options,
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
        labels : array-like of shape (n_texts,), dict of str to array-like, or Bunch
            Labels of the texts, see the class.
        read_at : str or None, default=None
            Hook point at which the probes are read. Features are then ablated while the model
            runs, once for each class and number of features. None reads the probes on the edited
            rows of `hook_point`, without running the model again.
        max_length : int, default=256
            Maximum number of tokens read from each text, special tokens included.
        batch_size : int, default=8
            Number of texts per forward pass.
        **options : dict
            Further parameters of the class: `spurious`, `groups`, `n_ablated`, `test_size`,
            `max_samples` and `random_state`.

        Returns
        -------
        ProbePerturbation
            Scorer that reads the first token of no text, nor special tokens. Texts without
            another token are left out.

        Raises
        ------
        ValueError
            If a hook point does not exist or the class raises it.
        TypeError
            If the model has no tokenizer, `texts` is not a list of strings, or the class raises it.
        """
        module, tokenizer = loaded_pair(model)
        names = [hook_point] if read_at in (None, hook_point) else [hook_point, read_at]
        reading = {"max_length": max_length, "batch_size": batch_size, "skip_first": 1}
        found = extract_activations(
            (module, tokenizer), names, texts, skip_special_tokens=True, **reading
        )
        scorer = cls(found[hook_point], labels, per_document=True, **options)
        if read_at is not None:
            scorer._read_means = scorer.units.pooled(found[read_at])
            tested = [texts[i] for i in scorer.units.documents[scorer.units.test]]
            later = text_batches(module, tokenizer, tested, **reading)
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
        measures = self.measure(dictionary)
        return float(np.mean([measures[f"{self._name}_{n}"] for n in self.n_ablated]))

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
            `tpp_2`, `tpp_5` and so on or, with `spurious`, `scr_2`, `scr_5` and so on, each with
            the bounds `_low` and `_high` of its 95 % confidence interval.

        Raises
        ------
        TypeError
            If the estimator is not a fitted dictionary.
        ValueError
            If its width differs from that of the rows.
        """
        tallies = self._tallies(dictionary)
        values = self._scores_of(stratified_mean(tallies))
        flat = tallies.reshape(-1, *tallies.shape[2:])
        drawn = resampled_means(flat, np.random.RandomState(self._seed))
        drawn = self._scores_of(drawn.reshape(-1, *tallies.shape[:2]))
        found = {}
        for i, n in enumerate(self.n_ablated):
            found |= with_interval(f"{self._name}_{n}", values[i], drawn[:, i])
        return found

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
        return drops_of(stratified_mean(self._tallies(dictionary)))

    @property
    def _name(self):
        return "tpp" if self.units.attribute is None else "scr"

    def _scores_of(self, accuracies):
        """Return the score of each number of ablated features from accuracies of all runs."""
        return (tpp_of if self.units.attribute is None else scr_of)(accuracies)

    def _tallies(self, dictionary):
        """Return the correct predictions of each run and probe, see `tally`.

        Runs are the unedited one and then each number of ablated features; for TPP, each number
        in turn for the features of each class.
        """
        features = PositiveFeatures(dictionary, self.units.X.shape[1])
        prepare = self._tpp_runs if self.units.attribute is None else self._scr_runs
        probes, truths, strata, chosen = prepare(features)
        test = self.units.test
        groups = np.unique(self.units.groups[test], return_inverse=True)[1]
        shape = (groups.max() + 1, strata.max() + 1)
        return np.array(
            [
                [
                    tally((scores[:, j] > 0) == truth[test], strata[test, j], groups, shape)
                    for j, truth in enumerate(truths)
                ]
                for scores in self._scores(probes, features, chosen)
            ]
        )

    def _tpp_runs(self, features):
        """Return the probes, their labels, the strata to average over, and features to ablate."""
        present = self.units.present
        changes = self.units.code_changes(features, present.T, np.ones(len(present)))
        weights = np.stack([probe.weights for probe in self._effect_probes])
        effects = np.maximum(changes, 0) * (weights @ features.directions.T)
        chosen = [_strongest(effect, n) for n in self.n_ablated for effect in effects]
        return self._read_probes, present.T, present.astype(int), chosen

    def _scr_runs(self, features):
        """Return the biased and the unbiased probe, and the rest as for `_tpp_runs`."""
        units = self.units
        truth, attribute, cells = units.present[:, 0], units.attribute, units.cells
        balanced = 1 / np.bincount(cells[units.train])[cells]
        (change,) = units.code_changes(features, [attribute], balanced)
        weights = units.probe(units.means, attribute, balanced).weights
        effect = np.abs(change * (features.directions @ weights))
        chosen = [_strongest(effect, n) for n in self.n_ablated]
        probes = [
            units.probe(self._read_means, truth, balanced * (truth == attribute)),
            units.probe(self._read_means, truth, balanced),
        ]
        return probes, [truth, truth], np.stack([cells, cells], axis=1), chosen

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
