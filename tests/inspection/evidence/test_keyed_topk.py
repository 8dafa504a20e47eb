"""What is kept is what a sort of everything would put first."""

import numpy as np

from skdict.inspection.evidence._keyed_topk import KeyedTopK


def test_top_k_with_ties_is_that_of_a_full_sort():
    rng = np.random.default_rng(0)
    columns = {
        "group": rng.integers(0, 5, 400),
        "key": rng.integers(0, 6, 400).astype(float),
        "document": np.arange(400),
        "content": rng.permutation(400).astype(np.uint64),
    }
    order = np.lexsort((columns["content"], -columns["key"], columns["group"]))
    for n_parts in (1, 2, 17):
        kept = KeyedTopK(7)
        for part in np.array_split(rng.permutation(400), n_parts):
            kept.update({name: values[part] for name, values in columns.items()})
        for group in range(5):
            expected = columns["document"][order][columns["group"][order] == group][:7]
            found = kept.columns["document"][kept.columns["group"] == group]
            assert np.array_equal(found, expected)
