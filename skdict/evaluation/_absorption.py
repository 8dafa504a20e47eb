"""Feature absorption: features that stay silent because more specific ones replace them."""

from collections import Counter
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupShuffleSplit

from skdict._validation import check_number, check_random_state
from skdict.evaluation._absorption_rules import absorbed, main_features
from skdict.evaluation._positive_features import PositiveFeatures
from skdict.evaluation._probes import Probe, check_labelled_rows, mean_and_scale
from skdict.evaluation._spelling import spelling_rows


class Absorption:
    r"""Scorer of feature absorption and feature splitting.

    A dictionary absorbs a concept if the features that represent it are silent on some rows with
    the concept and other, more specific features carry its direction there. A feature for "starts
    with S" that does not fire on "snake", because a feature for "snake" contains the direction, is
    the classic case [1]_. Lower is better.

    `from_model` makes the scorer for the first letters of the words in a model's vocabulary.

    Parameters
    ----------
    X : array-like of shape (n, n_features)
        Rows of known concepts.
    labels : array-like of shape (n,) or (n, n_concepts)
        Class of each row, or a column of bool for each concept.
    groups : array-like of shape (n,) or None, default=None
        Group of each row. Rows of a group are all in the training or all in the test part.
    directions : array-like of shape (n_concepts, n_features) or None, default=None
        Known direction of each concept. None uses the weights of a logistic probe.
    test_size : float, default=0.2
        Share of the groups to measure on, in (0, 1).
    min_f1 : float, default=0.6
        Smallest F1 on test rows of the probe of a concept that is measured. Not used with
        `directions`.
    min_concepts : int, default=1
        Smallest number of concepts to measure.
    random_state : int, RandomState instance or None, default=0
        Seed for the split.

    Raises
    ------
    ValueError
        If lengths or widths differ, labels have the wrong shape, a parameter is out of range, or
        fewer than `min_concepts` concepts have a probe of `min_f1`.
    TypeError
        If a parameter has the wrong type.

    See Also
    --------
    skdict.metrics.synthetic_benchmark : Measure absorption where the true features are known.

    Notes
    -----
    Probe, selection of features and rules are those of SAEBench [2]_. For each concept with the
    unit probe direction :math:`\hat d`:

    - *Main features.* An L1-penalised logistic regression on the codes of the training rows ranks
      features by weight. Probes on the first k = 1, 2, ... of at most 10 features are fitted, and
      the first k after which F1 on the test rows rises by no more than 0.03 gives the main
      features. More than one is feature splitting.
    - *Rows.* Absorption is measured on the test rows x with the concept that the probe finds, with
      projection :math:`p = (x - b) \cdot \hat d`, where b is the offset of the dictionary, and the
      contributions :math:`q_i = c_i \, f_i \cdot \hat d` of features.
    - *Full absorption.* All main features are silent (below 1e-8), and the feature with the largest
      contribution has a cosine of at least 0.025 with :math:`\hat d` and contributes at least
      0.4 p.
    - *Absorption fraction.* With a the sum of the three largest positive contributions of other
      features whose cosine is at least 0.1, and s that of the main features, the fraction is 0 if
      s >= p or a < 0.4 p, 1 if s <= 0, and otherwise min(a, p - s) / (min(a, p - s) + s).

    Both are averaged over the rows of a concept, then over concepts. A dictionary that does not
    represent the concepts at all, such as random directions, absorbs nothing, so read absorption
    together with the F1 of the main features. Four things differ from
    SAEBench: b is subtracted, so that shifting rows and dictionary together changes nothing;
    contributions include the length of decoder directions; rows are scaled to unit mean square
    before the selection, so that their unit does not matter; and negative codes count as a
    feature of their own along the negated direction, numbered `n_components` + i.

    References
    ----------
    .. [1] Chanin et al. (2024), "A is for Absorption: Studying Feature Splitting and Absorption in
       Sparse Autoencoders".
    .. [2] Karvonen et al. (2025), "SAEBench: A Comprehensive Benchmark for Sparse Autoencoders in
       Language Model Interpretability".

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.evaluation import Absorption
    >>> concepts = np.random.default_rng(0).random((500, 4)) < 0.3
    >>> X = concepts.astype(float)
    >>> Absorption(X, concepts, directions=np.eye(4)).measure(IdentityDictionary().fit(X))
    {'absorption': 0.0, 'full_absorption': 0.0, 'split_features': 1.0, 'main_f1': 1.0, ...}
    """

    def __init__(
        self,
        X,
        labels,
        *,
        groups=None,
        directions=None,
        test_size=0.2,
        min_f1=0.6,
        min_concepts=1,
        random_state=0,
    ):
        check_number("test_size", test_size, above=0, high=0.99)
        check_number("min_f1", min_f1, low=0, high=1)
        check_number("min_concepts", min_concepts, low=1, integer=True)
        X, self.present, self.names, groups = check_labelled_rows(X, labels, groups)
        self.X = np.asarray(X)
        seed = check_random_state(random_state)
        split = GroupShuffleSplit(1, test_size=test_size, random_state=seed)
        self.train, self.test = next(split.split(self.present, groups=groups))
        self.concepts = self._known(directions) if directions is not None else self._probed(min_f1)
        if len(self.concepts) < min_concepts:
            raise ValueError(
                f"{len(self.concepts)} of {len(self.names)} concepts have a probe with an F1 of at "
                f"least {min_f1} on test rows, but min_concepts={min_concepts}; pass more rows, "
                f"another hook point, or lower min_f1 or min_concepts"
            )

    @classmethod
    def from_model(
        cls,
        model,
        hook_point,
        *,
        n_words=5000,
        n_examples=10,
        batch_size=8,
        min_f1=0.6,
        min_concepts=20,
        random_state=0,
    ):
        r"""Return the scorer for first letters of the words in a model's vocabulary.

        Words are the tokens of ASCII letters, optionally after a space. The model reads lists of
        solved lines, ``"{word} has the first letter: {letter}\n"``, and the row of a word is that
        of its own token, where its letter has not been named. Every word follows at least
        `n_examples` other lines. The model runs once, whatever the number of dictionaries.

        Parameters
        ----------
        model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
            Causal language model: a name, a folder, or a loaded model with its tokenizer.
        hook_point : str
            Hook point of the dictionaries, see `ActivationExtractor`.
        n_words : int, default=5000
            Maximum number of words, drawn at random.
        n_examples : int, default=10
            Number of solved lines before the first word of a prompt, at least 1.
        batch_size : int, default=8
            Number of prompts per forward pass.
        min_f1, min_concepts : float and int, default=0.6 and 20
            See the class.
        random_state : int, RandomState instance or None, default=0
            Seed for drawing words and examples and for the split.

        Returns
        -------
        Absorption
            Scorer whose concepts are upper-case letters. Variants of a word, such as "Dog" and
            " dog", are in the same part of the split.

        Raises
        ------
        ValueError
            If the model is not causal, the hook point does not exist, the vocabulary has no words
            or too few letters have a probe.
        """
        check_number("n_examples", n_examples, low=1, integer=True)
        hint = "n_words must exceed n_examples"
        check_number("n_words", n_words, low=n_examples + 1, integer=True, hint=hint)
        check_number("batch_size", batch_size, low=1, integer=True)
        rng = check_random_state(random_state)
        options = {"n_words": n_words, "n_examples": n_examples, "batch_size": batch_size}
        spelled = spelling_rows(model, hook_point, rng=rng, **options)
        groups = np.unique([w.strip().lower() for w in spelled.words], return_inverse=True)[1]
        limits = {"min_f1": min_f1, "min_concepts": min_concepts}
        return cls(spelled.rows, spelled.letters, groups=groups, random_state=rng, **limits)

    def __call__(self, dictionary, X=None):
        """Return the mean absorption fraction of a fitted dictionary.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary.
        X : None
            Ignored; the scorer has rows of its own.

        Returns
        -------
        float
            Mean over concepts, between 0 and 1.
        """
        return self.measure(dictionary)["absorption"]

    def measure(self, dictionary, X=None):
        """Return the measures of a fitted dictionary.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary.
        X : None
            Ignored; the scorer has rows of its own.

        Returns
        -------
        dict of str to float
            `absorption`, the mean absorption fraction; `full_absorption`, the mean share of rows
            with full absorption; `split_features`, the mean number of main features; `main_f1`, the
            mean F1 of probes on them; `n_concepts`, the number of concepts that have main features.
            Means are nan if no concept has any.
        """
        records = [r for r in self.records(dictionary) if r["main_features"]]
        values = {
            "absorption": [record["absorption"] for record in records],
            "full_absorption": [record["full_absorption"] for record in records],
            "split_features": [len(record["main_features"]) for record in records],
            "main_f1": [record["f1"] for record in records],
        }
        means = {name: float(np.mean(v)) if v else np.nan for name, v in values.items()}
        return means | {"n_concepts": len(records)}

    def records(self, dictionary):
        """Return the measures of each concept.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary.

        Returns
        -------
        list of dict
            One for each concept: `concept`, its label; `main_features`, list of int, strongest
            first; `f1` of a probe on them; `absorption` and `full_absorption`, means over rows;
            `absorbers`, the features with the largest contribution on fully absorbed rows, most
            frequent first; `n_rows`, the number of rows.

        Raises
        ------
        TypeError
            If the estimator is not a fitted dictionary.
        ValueError
            If its width differs from that of the rows.
        """
        features = PositiveFeatures(dictionary, self.X.shape[1])
        codes = features.encode(self.X)
        comparable = codes @ scipy.sparse.diags_array(features.lengths / self._scale)
        return [self._record(concept, features, codes, comparable) for concept in self.concepts]

    def _record(self, concept, features, codes, comparable):
        """Return the measures of one concept."""
        present = self.present[:, concept.column]
        main, f1 = main_features(comparable, present, self.train, self.test)
        fired = codes[concept.rows].toarray()
        contributions = fired * (features.directions @ concept.direction)
        cosines = features.cosines(concept.direction)
        projections = (self.X[concept.rows] - features.offset) @ concept.direction
        fractions, full = absorbed(fired, cosines, contributions, projections, main)
        absorbers = Counter(contributions[full].argmax(axis=1).tolist())
        return {
            "concept": self.names[concept.column],
            "main_features": main,
            "f1": f1,
            "absorption": float(fractions.mean()),
            "full_absorption": float(full.mean()),
            "absorbers": [feature for feature, _ in absorbers.most_common()],
            "n_rows": len(concept.rows),
        }

    @cached_property
    def _scale(self):
        return mean_and_scale(self.X)[1]

    def _probed(self, min_f1):
        """Return the concepts whose probe has a sufficient F1 on test rows."""
        concepts = []
        for column, present in enumerate(self.present.T):
            if not _varies(present[self.train]):
                continue
            probe = Probe(self.X[self.train], present[self.train])
            found = probe.scores(self.X[self.test]) > 0
            if f1_score(present[self.test], found, zero_division=0) >= min_f1:
                rows = self.test[found & present[self.test]]
                concepts.append(Concept(column, _unit(probe.weights), rows))
        return [concept for concept in concepts if len(concept.rows)]

    def _known(self, directions):
        """Return the concepts of known directions, on test rows that have a positive projection."""
        directions = np.asarray(directions, dtype=np.float64)
        if directions.shape != (len(self.names), self.X.shape[1]):
            raise ValueError(
                f"directions has shape {directions.shape}; pass one row of width "
                f"{self.X.shape[1]} for each of the {len(self.names)} concepts"
            )
        concepts = []
        for column, present in enumerate(self.present.T):
            rows = self.test[present[self.test]]
            rows = rows[self.X[rows] @ directions[column] > 0]
            if _varies(present[self.train]) and len(rows):
                concepts.append(Concept(column, _unit(directions[column]), rows))
        return concepts


class Concept(NamedTuple):
    """Concept to measure.

    Parameters
    ----------
    column : int
        Its column in the labels.
    direction : ndarray of shape (n_features,)
        Unit direction of its probe.
    rows : ndarray of int
        Test rows with the concept on which the probe finds it.
    """

    column: int
    direction: np.ndarray
    rows: np.ndarray


def _varies(flags):
    return flags.any() and not flags.all()


def _unit(vector):
    return vector / np.linalg.norm(vector)
