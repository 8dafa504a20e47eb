"""Exchange dictionaries with SAELens, sparsify, dictionary_learning and circuit-tracer.

Each of them loads what skdict wrote, for every activation, and skdict loads what each of them
trained, for every architecture. Codes and outputs must be equal. The peers run in environments of
their own (see peers.txt) and exchange files; those that no environment has are skipped, and the
exit code is 1 if any result differs.

Run: python tests/benchmarks/peers.py --python peers/bin/python [--python other/bin/python ...]
"""

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from skdict import SparseDictionaryAutoencoder, SparseTranscoder
from skdict.decomposition import is_transcoder
from skdict.exceptions import DeadFeaturesWarning
from skdict.io import load_dictionary, save_dictionary
from tests.benchmarks.peer_client import N_FEATURES, PEERS, WIDTH
from tests.signed_topk import SignedTopK

CLIENT = Path(__file__).with_name("peer_client.py")
TOLERANCE, SECONDS = 1e-5, 1200
KINDS = {
    "relu": {},
    "relu untied": {"tied_weights": False},
    "relu debiased": {"debias": True},
    "topk": {"activation": "topk", "target_l0": 4},
    "signed topk": {"activation": SignedTopK(4)},
    "batch_topk": {"activation": "batch_topk", "target_l0": 4},
    "batch_topk debiased": {"activation": "batch_topk", "target_l0": 4, "debias": True},
    "jumprelu": {"activation": "jumprelu", "target_l0": 4},
    "matryoshka": {"activation": "batch_topk", "target_l0": 4, "matryoshka": [16]},
    "transcoder relu": {},
    "transcoder relu skip": {"skip_connection": True},
    "transcoder topk skip": {"activation": "topk", "target_l0": 4, "skip_connection": True},
    "transcoder batch_topk": {"activation": "batch_topk", "target_l0": 4},
    "transcoder jumprelu skip": {
        "activation": "jumprelu",
        "target_l0": 4,
        "skip_connection": True,
    },
}


def draw_rows():
    """Return rows that are sums of a few directions, around a mean."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((40, WIDTH))
    codes = rng.exponential(size=(4000, 40)) * (rng.random((4000, 40)) < 0.1)
    rows = codes @ directions + 0.1 * rng.standard_normal((4000, WIDTH)) + rng.normal(size=WIDTH)
    return rows.astype(np.float32)


def fit(kind, rows):
    """Return a dictionary of a kind, fitted on rows."""
    options = {"max_iter": 3, "batch_size": 256, "random_state": 0} | KINDS[kind]
    if kind.startswith("transcoder"):
        return SparseTranscoder(N_FEATURES, **options).fit(rows, np.abs(rows[:, ::-1]))
    return SparseDictionaryAutoencoder(N_FEATURES, **options).fit(rows)


def output_of(dictionary, rows):
    """Return reconstructions or predictions."""
    if is_transcoder(dictionary):
        return dictionary.predict(rows)
    codes = dictionary.transform(rows)
    if hasattr(dictionary, "row_norm_"):
        return dictionary.inverse_transform(codes, rows)
    return dictionary.inverse_transform(codes)


def client(python, *arguments):
    """Return the lines that the client prints, or None if it fails."""
    command = [python, str(CLIENT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        return None
    return [line.split("\t") for line in done.stdout.splitlines() if "\t" in line or len(line) < 20]


def differences(dictionary, path, rows, *, theirs):
    """Return the largest differences from the codes and outputs of a peer.

    They are divided by the largest value, if that is above 1.
    """
    found = np.load(path)
    # Codes here are in the units of the rows, that is, times the length of their direction.
    codes = found["codes"] * (found["lengths"] if theirs else 1)
    ours = dictionary.transform(rows).toarray(), output_of(dictionary, rows)
    pairs = zip(ours, (codes, found["output"]), strict=True)
    return [np.abs(one - other).max() / max(1, np.abs(other).max()) for one, other in pairs]


def write_all(peer, fitted, root):
    """Write every kind in the format of a peer, and return the reasons of refusals by kind."""
    refused = {}
    for kind, dictionary in fitted.items():
        metadata = {"model": "m", "hook_point": "mlp_in.0", "target_hook_point": "mlp_out.0"}
        try:
            save_dictionary(dictionary, root / kind, format=peer, metadata=metadata)
        except (ValueError, TypeError) as error:
            refused[kind] = str(error).partition(";")[0]
    return refused


def ours_there(peer, python, fitted, rows, path, root):
    """Print how codes that a peer computes from our files differ from ours."""
    root.mkdir(parents=True)
    refused = write_all(peer, fitted, root)
    told = dict(client(python, "load", peer, root, path) or [])
    wrong = 0
    for kind, dictionary in fitted.items():
        if kind in refused:
            print(f"  {kind:30} refused: {refused[kind]}")
        elif told.get(kind) != "ok":
            print(f"  {kind:30} FAILED: {told.get(kind, 'no answer')}")
            wrong += 1
        else:
            wrong += show(kind, dictionary, root / f"{kind}.npz", rows, theirs=False)
    return wrong


def theirs_here(peer, python, rows, path, root):
    """Print how codes of what a peer trained differ here from its own."""
    root.mkdir(parents=True)
    trained = client(python, "train", peer, root, path) or []
    told = dict(client(python, "load", peer, root, path) or [])
    wrong = 0
    for name, outcome in trained:
        if "ok" != outcome or told.get(name) != "ok":
            print(f"  {name:30} FAILED there: {outcome}; {told.get(name)}")
            wrong += 1
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dictionary = load_dictionary(root / name)
        wrong += show(name, dictionary, root / f"{name}.npz", rows, theirs=True)
    return wrong


def show(name, dictionary, path, rows, *, theirs):
    """Print one comparison, and return True if it fails."""
    codes, output = differences(dictionary, path, rows, theirs=theirs)
    l0 = (dictionary.transform(rows) != 0).sum() / len(rows)
    wrong = not max(codes, output) < TOLERANCE
    print(f"  {name:30} codes {codes:.1e}, outputs {output:.1e}, L0 {l0:.1f}{' WRONG' * wrong}")
    return wrong


def saelens_on_sparsify(python, fitted, rows, path, root):
    """Print what SAELens' loader of sparsify directories makes of ours."""
    root.mkdir(parents=True)
    save_dictionary(fitted["topk"], root / "layers.2", format="sparsify")
    told = dict(client(python, "load", "saelens", root, path) or [])
    print(
        f"\nSAELens' loader of sparsify directories, which transposes W_dec: {told.get('layers.2')}"
    )


def main():
    """Exchange dictionaries with every peer that is installed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", action="append", default=[], help="interpreter of peers")
    pythons = parser.parse_args().python or [sys.executable]
    warnings.simplefilter("ignore", DeadFeaturesWarning)
    rows = draw_rows()
    found = {p: next((x for x in pythons if client(x, "version", p)), None) for p in PEERS}
    fitted = {kind: fit(kind, rows) for kind in KINDS} if any(found.values()) else {}
    with tempfile.TemporaryDirectory() as folder:
        root, wrong = Path(folder), 0
        np.save(root / "rows.npy", rows)
        for peer, python in found.items():
            if python is None:
                print(f"{peer} is not installed: skipped")
                continue
            exchange = rows, root / "rows.npy"
            print(f"\n{peer} {client(python, 'version', peer)[0][0]} loads what skdict wrote")
            wrong += ours_there(peer, python, fitted, *exchange, root / "ours" / peer)
            if PEERS[peer].architectures:
                print(f"{peer} trains, skdict loads")
                wrong += theirs_here(peer, python, *exchange, root / "theirs" / peer)
        if found["saelens"]:
            saelens_on_sparsify(found["saelens"], fitted, *exchange, root / "misread")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
