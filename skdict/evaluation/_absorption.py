"""Feature absorption: features that stay silent because more specific ones replace them."""

import numpy as np
import scipy.sparse

from skdict._validation import check_number, check_random_state
from skdict.evaluation._concept_rows import ConceptRows
from skdict.evaluation._positive_features import PositiveFeatures
from skdict.evaluation._spelling import spelling_rows
from skdict.metrics.probing import with_interval


class Absorption:
    r"""Scorer of feature absorption and feature splitting.

    A dictionary absorbs a concept if the features that represent it are silent on some rows with
    the concept and other, more specific features carry its direction there. A feature for "starts
    with S" that does not fire on "snake", because a feature for "snake" contains the direction, is
    the classic case [1]_. Lower is better.

    `from_model` makes the scorer for the first letters of the words in a model's vocabulary.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        Rows of known concepts, in whose place the rows of a comparison are not used. Probes are
        fitted on them once, for any number of dictionaries.
    labels : array-like of shape (n_rows,), dict of str to array-like, Bunch, or callable
        Labels of the rows, as for `SparseProbing`. Each class of a label is a concept; of a label
        with two classes, only the second.
    groups : array-like of shape (n_rows,), callable or None, default=None
        Group of each row, as for `SparseProbing`. Rows of a group are all in the training or all
        in the test part. None groups by document, where rows have documents.
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
        Seed for the split and the bootstrap.

    Raises
    ------
    ValueError
        If labels, groups or directions do not fit the rows, a parameter is out of range, or fewer
        than `min_concepts` concepts have a probe of `min_f1`.
    TypeError
        If a parameter has the wrong type, or labels are not bool, int or str.

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

    Both are averaged over the rows of a concept, then over concepts. The confidence intervals are
    percentiles over 1,000 bootstrap samples of the test groups. A dictionary that does not
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
    >>> X = (np.random.default_rng(0).random((500, 4)) < 0.3).astype(float)
    >>> concepts = {"first": X[:, 0] > 0, "second": X[:, 1] > 0}
    >>> Absorption(X, concepts).measure(IdentityDictionary().fit(X))["absorption"]
    0.0
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
        random_state = check_random_state(random_state)
        self.rows = ConceptRows(X, labels, groups, test_size, random_state)
        known = directions is not None
        self.concepts = self.rows.known(directions) if known else self.rows.probed(min_f1)
        if len(self.concepts) < min_concepts:
            raise ValueError(
                f"{len(self.concepts)} of {len(self.rows.problems)} concepts have a probe with an "
                f"F1 of at least {min_f1} on test rows, but min_concepts={min_concepts}; pass more "
                f"rows, another hook point, or lower min_f1 or min_concepts"
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
            Seed for drawing words and examples, for the split and for the bootstrap.

        Returns
        -------
        Absorption
            Scorer whose concepts are upper-case letters, "letter=A" and so on. Variants of a word,
            such as "Dog" and " dog", are in the same part of the split.

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
        labels = {"letter": spelled.letters}
        return cls(spelled.rows, labels, groups=groups, random_state=rng, **limits)

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
            `absorption`, the mean absorption fraction, and `full_absorption`, the mean share of
            rows with full absorption, each with the bounds `_low` and `_high` of its 95 %
            confidence interval; `split_features`, the mean number of main features; `main_f1`,
            the mean F1 of probes on them; `n_concepts`, the number of concepts that have main
            features. Means are nan if no concept has any.
        """
        measured = [m for m in self._measured(dictionary) if m.main]
        if not measured:
            names = ("absorption", "full_absorption")
            nothing = [with_interval(name, np.nan, np.zeros(0)) for name in names]
            return (
                nothing[0]
                | nothing[1]
                | {
                    "split_features": np.nan,
                    "main_f1": np.nan,
                    "n_concepts": 0,
                }
            )
        return {
            **self.rows.mean("absorption", measured, [m.fractions for m in measured]),
            **self.rows.mean("full_absorption", measured, [m.full for m in measured]),
            "split_features": float(np.mean([len(m.main) for m in measured])),
            "main_f1": float(np.mean([m.f1 for m in measured])),
            "n_concepts": len(measured),
        }

    def records(self, dictionary):
        """Return the measures of each concept.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary.

        Returns
        -------
        list of dict
            One for each concept: `concept`, its name; `main_features`, list of int, strongest
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
        return [measured.record() for measured in self._measured(dictionary)]

    def _measured(self, dictionary):
        """Return the `Measured` concepts of a dictionary."""
        features = PositiveFeatures(dictionary, self.rows.X.shape[1])
        codes = features.encode(self.rows.X)
        comparable = codes @ scipy.sparse.diags_array(features.lengths / self.rows.scale)
        return [self.rows.measure(c, features, codes, comparable) for c in self.concepts]
