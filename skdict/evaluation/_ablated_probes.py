"""Scores of probes after features have been ablated, on rows or in a running model."""

from contextlib import nullcontext

import numpy as np
import torch

from skdict.interventions import frozen_dictionary, intervene
from skdict.models import evaluation_mode


class RowReader:
    """Ablate features in rows and read the probes on the result.

    The reconstruction error is kept, so ablating features S of a row changes the scores by minus
    the sum over S of the code times the product of decoder direction and probe weights.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, width)
        Rows of the test units.
    pooling : csr_array of shape (n_units, n_rows)
        Matrix that averages rows over units.
    """

    def __init__(self, rows, pooling):
        self.rows, self.pooling = rows, pooling

    def scores(self, probes, features, ablations):
        """Return the scores of all units without and with each ablation.

        Parameters
        ----------
        probes : list of Probe
            Probes to read.
        features : PositiveFeatures
            Dictionary.
        ablations : list of ndarray of int
            Features to ablate together.

        Returns
        -------
        list of ndarray of shape (n_units, n_probes)
            Scores without ablation, followed by those under each.
        """
        units = self.pooling @ self.rows
        clean = np.stack([probe.scores(units) for probe in probes], axis=1)
        weights = np.stack([probe.weights for probe in probes], axis=1)
        used = np.unique(np.concatenate([np.zeros(0, dtype=int), *ablations]))
        codes = np.zeros((len(units), len(used)))
        for start, block in features.blocks(self.rows):
            here = self.pooling[:, start : start + block.shape[0]]
            codes += (here @ block[:, used]).toarray()
        along = features.directions[used] @ weights
        places = [np.searchsorted(used, ablated) for ablated in ablations]
        return [clean, *(clean - codes[:, at] @ along[at] for at in places)]


class ModelReader:
    """Ablate features while a model runs and read the probes at a later hook point.

    Parameters
    ----------
    module : module
        Loaded model.
    hook_point, read_at : str
        Hook points to edit and to read.
    batches : list of TextBatch
        Test texts.
    """

    def __init__(self, module, hook_point, read_at, batches):
        self.module, self.batches = module, batches
        self.hook_point, self.read_at = hook_point, read_at

    def scores(self, probes, features, ablations):
        """Return the scores of all units without and with each ablation, see `RowReader`."""
        frozen = frozen_dictionary(features.dictionary, self.module)
        found = []
        for ablated in [None, *ablations]:
            units = self._read(frozen, ablated)
            found.append(np.stack([probe.scores(units) for probe in probes], axis=1))
        return found

    @torch.no_grad()
    def _read(self, frozen, ablated):
        """Return the mean row of each text at the hook point to read."""
        parts = {}
        with evaluation_mode(self.module):
            for batch in self.batches:
                with self._edited(frozen, ablated, batch):
                    rows = batch.read(self.module, self.read_at)
                for text, of_text, kept in zip(batch.texts, rows, batch.kept, strict=True):
                    parts[text] = of_text[kept].double().mean(dim=0).cpu().numpy()
        return np.stack([parts[text] for text in sorted(parts)])

    def _edited(self, frozen, ablated, batch):
        """Return a context in which features are ablated at the kept tokens; None ablates none."""
        if ablated is None:
            return nullcontext()
        edit = _Silence(ablated, len(frozen.components))
        return intervene(self.module, self.hook_point, frozen, edit, positions=batch.kept)


class _Silence:
    """Edit that removes the positive or the negative part of codes."""

    def __init__(self, features, n_components):
        self.positive = features[features < n_components].tolist()
        self.negative = (features[features >= n_components] - n_components).tolist()

    def __call__(self, codes):
        codes[..., self.positive] = codes[..., self.positive].clamp(max=0)
        codes[..., self.negative] = codes[..., self.negative].clamp(min=0)
        return codes
