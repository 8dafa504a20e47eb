"""What two processes do with a dictionary besides fitting it; run by test_shared_uses.py."""

import os
import pickle
import sys
from datetime import timedelta
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist

from skdict import SparseDictionaryAutoencoder
from skdict._core import Trainer
from skdict.decomposition import _parts, _sharding, to_torch
from skdict.io import _resumable_fit, fit_resumable, load_dictionary, save_dictionary
from tests.decomposition.shared_fits import CASES, fit_case, rows_of, short_and_without_ties

USED = ("relu, untied", "topk", "batch_topk, blocks", "jumprelu, tied", "transcoder")
X = np.random.default_rng(0).standard_normal((400, 6))


def use_parts(folder):
    """Fit dictionaries that are too large to gather, use them, save them and load them."""
    found = {}
    with mock.patch.object(_parts, "MACHINE_SHARE", 0):
        for case in USED:
            sae = fit_case(case, "components")
            rows = rows_of(case)
            codes = sae.transform(rows[0])
            save_dictionary(sae, f"{folder}/{case}", metadata={"case": case})
            again = load_dictionary(f"{folder}/{case}", in_parts=True)
            found[case] = {
                "range": sae.feature_range_,
                "shape": sae.components_.shape,
                "codes": codes,
                "rows": sae.inverse_transform(codes),
                "score": sae.score(*rows),
                "loaded": again.transform(rows[0]),
                "told": told(to_torch, sae, device="cpu"),
            }
    return found


def told(work, *arguments, **options):
    """Return the class and message of the error that a function raises."""
    try:
        work(*arguments, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def fit(rows=X, **options):
    options = {"n_components": 8, "max_iter": 1, "random_state": 0, "shard": "rows"} | options
    return SparseDictionaryAutoencoder(**options).fit(rows)


def disagree(rank):
    """Return what each process is told if they do not agree."""
    bad, other = X.copy(), X.copy()
    # All rows fit into one block, which the first process reads.
    bad[7, 2] = np.nan
    if rank == 1:
        other[3, 3] = 5
    version = "0.1" if rank == 1 else "0.2"
    found = {
        "alpha": told(fit, alpha=0.1 + rank),
        "shape": told(fit, X[: 300 + rank]),
        "nan": told(fit, bad),
        "rows": told(fit, other),
        "batch": told(fit, batch_size=1),
        "invalid": told(fit, max_iter=rank),
        "blocks": told(fit, blocks=np.array([2 + rank, 4 - rank])),
    }
    with mock.patch.object(_sharding, "__version__", version):
        found["version"] = told(fit)
    # After all that the group still works.
    return found | {"fitted": fit(random_state=None).components_}


def partial_fit(shard):
    """Return an estimator after two blocks."""
    sae = SparseDictionaryAutoencoder(8, activation="batch_topk", random_state=0, shard=shard)
    with short_and_without_ties(min_steps=1):
        return sae.partial_fit(X[:250]).partial_fit(X[250:])


class KilledError(Exception):
    """Stands for the end of a process."""


def resume(folder, shard):
    """Interrupt a fit after its second epoch, copy the checkpoint, and resume."""
    options = {"n_components": 13, "batch_size": 65, "max_iter": 4, "random_state": 0}
    options |= CASES["batch_topk"] | {"shard": shard, "device": "cpu"}
    plain, calls = _resumable_fit.Checkpoint.after_epoch, []

    def after_epoch(self, fit):
        plain(self, fit)
        calls.append(fit)
        if len(calls) == 2:
            raise KilledError

    path = f"{folder}/{shard}"
    with short_and_without_ties(min_steps=10):
        sae = SparseDictionaryAutoencoder(**options)
        with mock.patch.object(_resumable_fit.Checkpoint, "after_epoch", after_epoch):
            told(fit_resumable, sae, rows_of("")[0], path)
        if dist.get_rank() == 0:
            with open(f"{path}.checkpoint.safetensors", "rb") as file:
                content = file.read()
            with open(f"{folder}/one {shard}.checkpoint.safetensors", "wb") as file:
                file.write(content)
        return fit_resumable(sae, rows_of("")[0], path).components_


def fail_in_the_middle(how):
    """Train until process 1 fails in its fifth step."""
    plain = Trainer.step

    def step(self, *arguments):
        if self.n_steps == 5 and dist.get_rank() == 1:
            if how == "killed":
                os._exit(9)
            raise MemoryError("no memory left")
        return plain(self, *arguments)

    with mock.patch.object(Trainer, "step", step):
        fit_resumable(
            SparseDictionaryAutoencoder(8, random_state=0, shard="rows"), X, f"{sys.argv[2]}/sae"
        )


def main(what, folder):
    """Join the process group, and write what this process finds."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    if what in ("killed", "raises"):
        fail_in_the_middle(what)
        return
    found = {"parts": use_parts(folder), "disagree": disagree(dist.get_rank())}
    found["partial_fit"] = partial_fit("rows").components_
    found |= {shard: resume(folder, shard) for shard in ("rows", "components")}
    with open(f"{folder}/{dist.get_rank()}.pickle", "wb") as file:
        pickle.dump(found, file)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
