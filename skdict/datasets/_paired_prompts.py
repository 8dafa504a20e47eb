"""Pairs of prompts: the common part of `make_ioi`, `make_pronouns` and `make_agreement`."""

import numpy as np
from scipy.special import log_softmax
from sklearn.utils import Bunch

from skdict._validation import check_number

TRIES = 200


class Draw:
    """One pair of prompts as text, not yet tokenized.

    Parameters
    ----------
    prompt, counterfactual : str
        Two prompts that differ in what decides the answer.
    right, wrong : str
        The two answers after the prompt, each with a leading space.
    counterfactual_right : str
        The right answer after the counterfactual.
    **labels : dict
        Values of the label columns for this pair, by column name.
    """

    def __init__(self, prompt, counterfactual, right, wrong, counterfactual_right, **labels):
        self.prompt, self.counterfactual = prompt, counterfactual
        self.right, self.wrong, self.counterfactual_right = right, wrong, counterfactual_right
        self.labels = labels


class PromptTokenizer:
    """Tokenizer for prompts and for the answers that follow them.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Tokenizer to wrap.
    """

    def __init__(self, tokenizer):
        if not callable(tokenizer):
            raise TypeError(
                f"tokenizer={tokenizer!r} is not accepted: pass a loaded tokenizer, such as "
                f"AutoTokenizer.from_pretrained(folder)"
            )
        self.tokenizer = tokenizer

    def ids(self, text):
        """Return the token ids of a text as a list, special tokens included."""
        return list(self.tokenizer(text)["input_ids"])

    def length(self, word):
        """Return the number of tokens of a word that follows another word."""
        return len(self.ids(f"a {word}")) - len(self.ids("a"))

    def encode(self, draw):
        """Return the token ids of a draw as a dict, or None if it does not make a valid pair.

        In a valid pair, both prompts have the same number of tokens, and appending an answer
        does not change the tokens of the prompt.
        """
        prompt, counterfactual = self.ids(draw.prompt), self.ids(draw.counterfactual)
        if len(prompt) != len(counterfactual) or prompt == counterfactual:
            return None
        answers = [self._after(prompt, draw.prompt, answer) for answer in (draw.right, draw.wrong)]
        others = [
            self._after(counterfactual, draw.counterfactual, answer)
            for answer in (draw.right, draw.wrong)
        ]
        if None in answers or answers != others or answers[0] == answers[1]:
            return None
        return {"prompt": prompt, "counterfactual": counterfactual, "answers": answers}

    def _after(self, ids, text, answer):
        whole = self.ids(text + answer)
        if whole[: len(ids)] != ids or len(whole) == len(ids):
            return None
        return whole[len(ids) :]


def by_length(words, tokenizer):
    """Return a dict from number of tokens to the list of words with that length."""
    groups = {}
    for word in words:
        groups.setdefault(tokenizer.length(word), []).append(word)
    return groups


def make_pairs(n_prompts, tokenizer, draw, rng, description):
    """Return a Bunch of `n_prompts` pairs.

    Parameters
    ----------
    n_prompts : int
        Number of pairs.
    tokenizer : PromptTokenizer
        Tokenizer of the model that will read the prompts.
    draw : callable
        Function ``draw(number, rng)`` that returns a `Draw` for the pair with this number.
    rng : RandomState
        Random number generator.
    description : str
        Description of the prompts.

    Returns
    -------
    Bunch
        The fields documented in the public functions.

    Raises
    ------
    ValueError
        If no valid pair is found in `TRIES` attempts.
    """
    check_number("n_prompts", n_prompts, low=1, integer=True)
    draws, encoded = [], []
    for number in range(n_prompts):
        for _ in range(TRIES):
            candidate = draw(number, rng)
            ids = tokenizer.encode(candidate)
            if ids is not None:
                break
        else:
            raise ValueError(
                f"this tokenizer gave no pair of equal token length in {TRIES} attempts; the last "
                f"was {candidate.prompt!r} and {candidate.counterfactual!r} with the answers "
                f"{candidate.right!r} and {candidate.wrong!r}; pass a tokenizer that keeps the "
                f"tokens of a prompt when words follow it and adds no token at the end"
            )
        draws.append(candidate)
        encoded.append(ids)
    return _bunch(draws, encoded, description)


def _bunch(draws, encoded, description):
    prompts = [np.array(ids["prompt"]) for ids in encoded]
    counterfactuals = [np.array(ids["counterfactual"]) for ids in encoded]
    answers = [tuple(np.array(answer) for answer in ids["answers"]) for ids in encoded]
    input_ids, mask = _followed(prompts, answers)
    labels = {name: np.array([d.labels[name] for d in draws]) for name in draws[0].labels}
    return Bunch(
        prompts=[d.prompt for d in draws],
        counterfactuals=[d.counterfactual for d in draws],
        answers=[(d.right, d.wrong) for d in draws],
        counterfactual_answers=[d.counterfactual_right for d in draws],
        prompt_ids=prompts,
        counterfactual_ids=counterfactuals,
        answer_ids=answers,
        differing_positions=[
            np.flatnonzero(p != c) for p, c in zip(prompts, counterfactuals, strict=True)
        ],
        input_ids=input_ids,
        counterfactual_input_ids=_followed(counterfactuals, answers)[0],
        attention_mask=mask,
        metric=AnswerMetric(prompts, answers),
        DESCR=description,
        **labels,
    )


def _followed(prompts, answers):
    """Return padded rows of prompt and answer, alternating right and wrong, and their mask."""
    rows = [
        np.concatenate([prompt, answer])
        for prompt, pair in zip(prompts, answers, strict=True)
        for answer in pair
    ]
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    return ids, mask


class AnswerMetric:
    """Log probability of the right answer minus that of the wrong one, summed over tokens.

    Parameters
    ----------
    prompt_ids : list of ndarray
        Token ids of each prompt.
    answer_ids : list of (ndarray, ndarray)
        Token ids of its right and its wrong answer.
    """

    def __init__(self, prompt_ids, answer_ids):
        longest = max(len(answer) for pair in answer_ids for answer in pair)
        shape = 2 * len(prompt_ids), longest
        self.positions, self.tokens = np.zeros(shape, dtype=int), np.zeros(shape, dtype=int)
        self.weights = np.zeros(shape, dtype=np.float32)
        for row in range(len(self.tokens)):
            start, answer = len(prompt_ids[row // 2]) - 1, answer_ids[row // 2][row % 2]
            # Shorter answers are padded with their first token, at zero weight.
            self.positions[row], self.tokens[row] = start, answer[0]
            self.positions[row, : len(answer)] = start + np.arange(len(answer))
            self.tokens[row, : len(answer)] = answer
            self.weights[row, : len(answer)] = 1

    def __call__(self, logits, pairs=None):
        """Return the difference of log probabilities, right minus wrong, in nats.

        Parameters
        ----------
        logits : ndarray or torch.Tensor of shape (2 * n_pairs, n_positions, n_vocabulary)
            Output of the model for the rows of `input_ids` or `counterfactual_input_ids`.
        pairs : sequence of int, optional
            Indices of the pairs that the rows belong to, in order; all pairs by default. Pair i
            has the rows 2 i and 2 i + 1.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_pairs,)
            Difference for each pair, positive where the right answer is more likely. For tensor
            input, a tensor on the same device, with gradient.

        Raises
        ------
        ValueError
            If the shape of `logits` does not match the pairs.
        """
        pairs = np.arange(len(self.tokens) // 2) if pairs is None else np.asarray(pairs, dtype=int)
        rows = (2 * pairs[:, None] + [0, 1]).ravel()
        positions, tokens = self.positions[rows], self.tokens[rows]
        needed = positions.max(initial=-1) + 1
        if logits.ndim != 3 or len(logits) != len(rows) or logits.shape[1] < needed:
            raise ValueError(
                f"logits of shape {tuple(logits.shape)} are not accepted: pass ({len(rows)}, "
                f"at least {needed}, n_vocabulary), two whole rows of input_ids for each pair; for "
                f"a subset of the pairs, pass their indices as pairs="
            )
        places = np.arange(len(rows))[:, None]
        scores = logits[places, positions]
        is_tensor = hasattr(logits, "new_tensor")
        scores = scores.float().log_softmax(-1) if is_tensor else log_softmax(scores, axis=-1)
        scores = scores[places, np.arange(tokens.shape[1]), tokens]
        weights = self.weights[rows]
        totals = (scores * (scores.new_tensor(weights) if is_tensor else weights)).sum(-1)
        return totals[0::2] - totals[1::2]
