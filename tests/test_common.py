"""scikit-learn's own checks, with no expected failure."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdict.decomposition import (
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    SparseDictionaryAutoencoderCV,
    SparseTranscoder,
    TopKDictionary,
)
from skdict.feature_extraction import ActivationExtractor
from skdict.interpretation import FeatureInterpreter
from skdict.interventions import LEACE, FeatureEraser
from skdict.metrics import selection_rule

ESTIMATORS = [
    SparseDictionaryAutoencoder(max_iter=2),
    SparseDictionaryAutoencoder(max_iter=2, tied_weights=False, sparse_output=False),
    SparseDictionaryAutoencoder(max_iter=2, activation="topk"),
    SparseDictionaryAutoencoder(max_iter=2, activation="batch_topk", dead_features="auxk"),
    SparseDictionaryAutoencoder(max_iter=2, activation="jumprelu"),
    SparseDictionaryAutoencoderCV(
        [0.1, 0.3], cv=2, selection=selection_rule(target_l0=3), max_iter=1
    ),
    SparseTranscoder(max_iter=20),
    SparseTranscoder(max_iter=20, activation="topk", skip_connection=True, sparse_output=False),
    IdentityDictionary(),
    RandomDictionary(),
    TopKDictionary(IdentityDictionary(), k=3),
    TopKDictionary(RandomDictionary(random_state=0), k=2, split_sign=True, gain=True),
    ActivationExtractor("no-such-model", "resid_post.0"),
    FeatureInterpreter(IdentityDictionary()),
    LEACE(),
    LEACE("orthogonal"),
    FeatureEraser(IdentityDictionary()),
]


# Dead features are the rule on the handful of rows of these checks.
@pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")
# An estimator on texts is told about the checks that need numbers.
@pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
@pytest.mark.usefixtures("short_epochs")
@parametrize_with_checks(ESTIMATORS)
def test_sklearn_checks(estimator, check):
    check(estimator)
