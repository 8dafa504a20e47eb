"""Searches in threads, processes and on a cluster read a store by its path."""

import shutil

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict import Activations, SparseDictionaryAutoencoder, SparseTranscoder

OPTIONS = {"activation": "topk", "max_iter": 1, "batch_size": 32, "random_state": 0}
COLUMNS = "documents", "positions", "token_ids"
# Dead features are the rule in fits that are this short.
pytestmark = pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")


@pytest.fixture
def store(tmp_path):
    """A store of 40 documents of 10 tokens each."""
    rows = np.random.default_rng(0).standard_normal((400, 6), dtype="f").clip(0)
    numbers = np.arange(400)
    acts = Activations(rows, documents=numbers // 10, positions=numbers % 10, token_ids=numbers % 7)
    acts.save(tmp_path / "acts")
    return tmp_path / "acts"


@pytest.fixture(params=["threading", "loky", "dask"])
def backend(request):
    """The backends of joblib; that of dask with a cluster of threads, which starts at once."""
    if request.param == "dask":
        with LocalCluster(
            processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster:
            with Client(cluster):
                yield "dask"
    else:
        yield request.param


def searches():
    sae = SparseDictionaryAutoencoder(12, **OPTIONS)
    grid = {"target_l0": [1, 2]}
    scaled = make_pipeline(StandardScaler(), sae)
    options = {"cv": GroupKFold(2), "n_jobs": 2, "refit": False, "error_score": "raise"}
    return {
        "autoencoder": GridSearchCV(sae, grid, **options),
        "scaled": GridSearchCV(
            scaled, {f"sparsedictionaryautoencoder__{k}": v for k, v in grid.items()}, **options
        ),
        "transcoder": GridSearchCV(SparseTranscoder(12, **OPTIONS), grid, **options),
    }


def scores(search, acts):
    targets = acts if isinstance(search.estimator, SparseTranscoder) else None
    return search.fit(acts, targets, groups=acts.documents).cv_results_["mean_test_score"]


def check_agree_with_one_process(store, backend):
    acts = Activations.load(store)
    acts = acts[acts.documents % 4 != 1]
    for name, search in searches().items():
        expected = scores(search.set_params(n_jobs=1), acts)
        with joblib.parallel_config(backend=backend):
            found = scores(search.set_params(n_jobs=2), acts)
        # Sums can differ in order, because the numbers of threads differ.
        np.testing.assert_allclose(found, expected, rtol=1e-4, err_msg=name)
        assert np.ptp(expected) > 1e-3


def test_every_backend_gives_the_scores_of_one_process(store, backend):
    check_agree_with_one_process(store, backend)


@pytest.mark.slow
def test_a_cluster_of_processes_gives_the_scores_of_one_process(store):
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster):
            check_agree_with_one_process(store, "dask")


def check_workers_report_missing_and_changed_stores(store, backend):
    acts = Activations.load(store)
    half = Activations(acts[:200], **{name: getattr(acts[:200], name) for name in COLUMNS})
    search = searches()["autoencoder"]
    with joblib.parallel_config(backend=backend):
        shutil.rmtree(store)
        with pytest.raises(FileNotFoundError, match="available at .* on every machine"):
            scores(search, acts)
        half.save(store)
        with pytest.raises(ValueError, match="has changed since the store was loaded"):
            scores(search, acts)


def test_processes_report_missing_and_changed_stores(store):
    check_workers_report_missing_and_changed_stores(store, "loky")


@pytest.mark.slow
def test_a_cluster_of_processes_reports_missing_and_changed_stores(store):
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster):
            check_workers_report_missing_and_changed_stores(store, "dask")
