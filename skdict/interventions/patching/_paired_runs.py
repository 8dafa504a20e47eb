"""Base and target runs of paired prompts, the codes in which they differ, and their metrics."""

import numpy as np
import torch

from skdict.interventions._frozen_dictionary import check_width, frozen_dictionary
from skdict.models import ForwardFrom, input_device, pad, verify_found

METRICS = ("kl", "reverse_kl", "logit_diff")
FIELDS = ("prompt_ids", "counterfactual_ids", "answer_ids")


class PairedRuns:
    r"""Runs of paired prompts, from which patches are built and evaluated.

    With activations x and codes c of the target run (on the counterfactuals), x' and c' of the base
    run (on the prompts), decoder directions f and reconstruction errors e, patching the features K
    gives

    .. math:: x_K = x' + \sum_{i \in K} (c_i - c'_i) f_i, \qquad
              x - x' = \sum_i (c_i - c'_i) f_i + (e - e').

    Parameters
    ----------
    model : torch.nn.Module
        Language model in evaluation mode.
    hook_point : str
        Hook point of the dictionary.
    dictionary : estimator or frozen dictionary
        Fitted dictionary.
    task : Bunch
        Prompt pairs with prompt_ids, counterfactual_ids and answer_ids, as returned by `make_ioi`.
    with_answers : bool, default=False
        If True, append the right and the wrong answer to each prompt, so that answers of several
        tokens can be scored completely; each pair then has two rows.
    batch_size : int, default=256
        Number of rows per forward pass.

    Attributes
    ----------
    base, target : torch.Tensor of shape (n_pairs, r, n_positions, width)
        Activations x' and x, equal at padding; r is 1, or 2 with answers.
    features : ndarray of int, shape (n_differing,)
        Features whose codes differ anywhere.
    delta : torch.Tensor of shape (n_differing, n_pairs, r, n_positions)
        Differences :math:`c - c'` of their codes.
    atoms : torch.Tensor of shape (n_differing, width)
        Their decoder directions.
    error : torch.Tensor
        Difference of the reconstruction errors, :math:`e - e'`, of the shape of `base`.
    affected : ndarray of bool, shape (n_differing, n_pairs)
        True for the pairs in which the codes of a feature differ.
    active : ndarray of float, shape (n_differing,)
        Share of positions at which each feature fires in either run.
    """

    def __init__(self, model, hook_point, dictionary, task, *, with_answers=False, batch_size=256):
        pairs = _check_task(task)
        device = input_device(model)
        ids, mask, positions, answers = _rows(*pairs, with_answers, device)
        _check_vocabulary(model, ids)
        self.n_pairs, self.n_rows, self.batch_size = len(pairs[0]), 1 + with_answers, batch_size
        self.model, self.hook_point, self.with_answers = model, hook_point, with_answers
        padded = None if bool(mask.all()) else mask
        self._forward = ForwardFrom(model, hook_point, ids, mask=padded)
        mask = mask[: len(mask) // 2]
        verify_found(model, [hook_point], ids[0])
        self._positions = torch.as_tensor(positions, device=device)
        self._answers = [torch.as_tensor(a, device=device) for a in answers]
        self._take_runs(mask.bool())
        self._take_codes(frozen_dictionary(dictionary, model), mask.bool())
        self.n_forward_rows = 0
        target_rows = self._stacked_rows(np.arange(self.n_pairs)) + self.n_pairs * self.n_rows
        self.target_log_probs = self._log_probs(target_rows, self.target.flatten(0, 1))

    def _take_runs(self, mask):
        hidden = self._forward.hidden.reshape(2, self.n_pairs, self.n_rows, *mask.shape[1:], -1)
        mask = mask.reshape(self.n_pairs, self.n_rows, -1, 1)
        self.base, self._mask = hidden[0], mask
        self.target = torch.where(mask, hidden[1], hidden[0])

    def _take_codes(self, dictionary, mask):
        check_width(self.hook_point, self.base.shape[-1], dictionary)
        with torch.no_grad():
            before, after = dictionary.encode(self.base), dictionary.encode(self.target)
        delta = torch.where(self._mask, after - before, 0)
        fires = ((before != 0) | (after != 0)) & self._mask
        differs = (delta != 0).flatten(0, 2).any(dim=0)
        self.n_components = len(differs)
        self.features = differs.nonzero()[:, 0].cpu().numpy()
        self.atoms = dictionary.components[differs]
        self.delta = delta[..., differs].movedim(-1, 0).contiguous()
        self.error = self.target - self.base - self.moved(np.arange(len(self.features)))
        self.affected = (self.delta != 0).flatten(2).any(dim=2).cpu().numpy()
        share = fires[..., differs].flatten(0, 2).sum(dim=0) / self._mask.sum()
        self.active = share.cpu().numpy()

    def moved(self, columns):
        """Return what patching differing features, given by column, adds to the base run."""
        columns = torch.as_tensor(columns, device=self.delta.device)
        return torch.einsum("mnrl,md->nrld", self.delta[columns], self.atoms[columns])

    def values(self, metric, pairs, x):
        """Return a metric of edited activations: (q, r, n_positions, width) to (q,) float64.

        Parameters
        ----------
        metric : {"kl", "reverse_kl", "logit_diff"}
            Metric to compute.
        pairs : ndarray of int, shape (q,)
            Pair that each entry of `x` belongs to.
        x : torch.Tensor of shape (q, r, n_positions, width)
            Activations to insert at the hook point.
        """
        return self.measures((metric,), pairs, x)[metric]

    def measures(self, metrics, pairs, x):
        """Return several metrics of the same forward passes, as a dict of arrays."""
        parts = []
        # Keep the rows of a pair in one forward pass.
        step = max(1, self.batch_size // self.n_rows)
        for start in range(0, len(pairs), step):
            part = pairs[start : start + step]
            log_probs = self._log_probs(
                self._stacked_rows(part), x[start : start + step].flatten(0, 1)
            )
            parts.append({m: self.metric(m, part, log_probs) for m in metrics})
        return {m: torch.cat([part[m] for part in parts]).cpu().numpy() for m in metrics}

    def gradient(self, metric, x):
        """Return the gradient of a metric summed over all pairs, of the shape of `x`."""
        gradient = torch.empty_like(x)
        step = max(1, self.batch_size // self.n_rows)
        for start in range(0, self.n_pairs, step):
            pairs = np.arange(start, min(start + step, self.n_pairs))
            with torch.enable_grad():
                part = x[pairs].detach().clone().requires_grad_(True)
                log_probs = self._log_probs(
                    self._stacked_rows(pairs), part.flatten(0, 1), gradient=True
                )
                total = self.metric(metric, pairs, log_probs).sum()
                gradient[pairs] = torch.autograd.grad(total, part)[0]
        return gradient

    def metric(self, metric, pairs, log_probs):
        """Return a metric of log-probabilities (q, r, p, n_vocabulary), of shape (q,)."""
        if metric == "logit_diff":
            return self._answer_difference(pairs, log_probs)
        patched, target = log_probs[:, 0, 0], self.target_log_probs[pairs][:, 0, 0]
        # The paper's direction of KL takes expectations under the patched run.
        first, second = (patched, target) if metric == "kl" else (target, patched)
        return (first.exp() * (first - second)).sum(dim=-1)

    def _answer_difference(self, pairs, log_probs):
        tokens, weights = (a[pairs] for a in self._answers)
        if not self.with_answers:
            scores = log_probs[:, 0, 0].gather(1, tokens[:, :, 0])
            return scores[:, 0] - scores[:, 1]
        scores = (log_probs.gather(3, tokens[..., None])[..., 0] * weights).sum(dim=2)
        return scores[:, 0] - scores[:, 1]

    def _log_probs(self, rows, x, *, gradient=False):
        self.n_forward_rows += len(rows)
        run = self._forward.differentiable_logits if gradient else self._forward.logits
        positions = self._positions[rows % len(self._positions)]
        logits = run(rows, x, positions)
        return logits.double().log_softmax(-1).unflatten(0, (-1, self.n_rows))

    def _stacked_rows(self, pairs):
        pairs = torch.as_tensor(pairs, device=self._positions.device)
        offsets = torch.arange(self.n_rows, device=pairs.device)
        return (pairs[:, None] * self.n_rows + offsets).flatten()


def _check_task(task):
    """Return the prompts, counterfactuals and answers of a task as lists of token ids."""
    missing = [name for name in FIELDS if not hasattr(task, name)]
    if missing:
        raise TypeError(
            f"task is a {type(task).__name__} without {', '.join(missing)}; pass the result of "
            f"make_ioi, make_pronouns or make_agreement, or a Bunch with {', '.join(FIELDS)}"
        )
    prompts, others, answers = (list(task[name]) for name in FIELDS)
    if not prompts or not len(prompts) == len(others) == len(answers):
        raise ValueError(
            f"the task has {len(prompts)} prompts, {len(others)} counterfactuals and "
            f"{len(answers)} pairs of answers; pass the same number of each, at least one"
        )
    for index, (prompt, other) in enumerate(zip(prompts, others, strict=True)):
        if len(prompt) != len(other) or not len(prompt):
            raise ValueError(
                f"pair {index} has a prompt of {len(prompt)} tokens and a counterfactual of "
                f"{len(other)}; pass non-empty prompts of equal length, because patching goes "
                f"position by position"
            )
        if len(answers[index]) != 2 or not all(len(a) for a in answers[index]):
            raise ValueError(
                f"answer_ids[{index}] is {answers[index]!r}; pass the token ids of a right and a "
                f"wrong answer, each with at least one token"
            )
    return prompts, others, answers


def _rows(prompts, others, answers, with_answers, device):
    """Return ids and mask of base rows and then target rows, positions to read, and answers."""
    followed = [pair if with_answers else ([],) for pair in answers]
    rows = [
        [[*p, *a] for p, pair in zip(side, followed, strict=True) for a in pair]
        for side in (prompts, others)
    ]
    ids, mask = pad(rows[0] + rows[1], device)
    n_tokens = max(len(a) for pair in answers for a in pair)
    tokens = np.zeros((len(prompts), 2, n_tokens), dtype=np.int64)
    weights = np.zeros((len(prompts), 2, n_tokens))
    for index, pair in enumerate(answers):
        for side, answer in enumerate(pair):
            tokens[index, side, : len(answer)] = answer
            weights[index, side, : len(answer)] = 1
    ends = np.repeat([len(p) - 1 for p in prompts], len(followed[0]))[:, None]
    positions = ends + np.arange(n_tokens) if with_answers else ends
    return ids, mask, np.minimum(positions, ids.shape[1] - 1), (tokens, weights)


def _check_vocabulary(model, ids):
    embeddings = getattr(model, "get_input_embeddings", lambda: None)()
    size = getattr(embeddings, "num_embeddings", None)
    if size is not None and (ids.max() >= size or ids.min() < 0):
        raise ValueError(
            f"the task contains token id {int(ids.max())} but the model has ids 0 to {size - 1}; "
            f"build the task with the tokenizer of this model"
        )


def needs_answers(task):
    """Return True if any answer of a task has several tokens, so one position cannot score it."""
    return any(len(answer) > 1 for pair in task.answer_ids for answer in pair)
