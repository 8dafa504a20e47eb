"""Cross-entropy and KL divergence of a model under edits."""

import torch

from skdict.interventions._intervene import intervene
from skdict.models import at_least_float32, evaluation_mode


@torch.no_grad()
def mean_row(model, hook_point, batches):
    """Return the mean activation at a hook point over the kept tokens, in float64."""
    total, count = 0, 0
    with evaluation_mode(model):
        for batch in batches:
            x = batch.read(model, hook_point)[batch.kept]
            total, count = total + x.double().sum(dim=0), count + len(x)
    return total / count


@torch.no_grad()
def measure_edits(model, edits, batches):
    """Return the cross-entropy and the KL divergence of a model under edits.

    Parameters
    ----------
    model : module
        Causal language model.
    edits : dict of str to (hook_point, dictionary, edit)
        By name, a hook point or a pair, a frozen dictionary, or None if the edit needs no codes,
        and an edit that `intervene` accepts, such as a fitted eraser. Edits are applied at the
        kept tokens.
    batches : list of TextBatch
        Texts to run.

    Returns
    -------
    (dict of str to float, dict of str to float, int)
        Mean cross-entropy in nats by edit, with that of the unedited model under ""; mean KL
        divergence KL(unedited || edited) in nats by edit; number of predicted tokens. Sums are
        accumulated in float64.
    """
    losses, divergences = dict.fromkeys(["", *edits], 0.0), dict.fromkeys(edits, 0.0)
    n_tokens = 0
    with evaluation_mode(model):
        for batch in batches:
            if not batch.predicting.any():
                continue
            targets = batch.targets()
            n_tokens += len(targets)
            clean = _log_probabilities(model, batch)
            losses[""] += _loss(clean, targets)
            for name, (hook_point, dictionary, edit) in edits.items():
                with intervene(model, hook_point, dictionary, edit, positions=batch.kept):
                    edited = _log_probabilities(model, batch)
                losses[name] += _loss(edited, targets)
                divergences[name] += float((clean.exp() * (clean - edited)).sum(-1).double().sum())
    mean = {name: total / n_tokens for name, total in losses.items()}
    return mean, {name: total / n_tokens for name, total in divergences.items()}, n_tokens


def _log_probabilities(model, batch):
    return at_least_float32(batch.run(model)[batch.predicting]).log_softmax(dim=-1)


def _loss(log_probabilities, targets):
    return -float(log_probabilities.gather(1, targets[:, None]).double().sum())
