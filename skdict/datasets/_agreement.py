"""Prompts for subject-verb agreement in number."""

from skdict._validation import check_flag, check_random_state
from skdict.datasets._paired_prompts import Draw, PromptTokenizer, by_length, make_pairs
from skdict.datasets._task_words import NOUNS

# {noun} is the subject, {between} the words between the subject and the verb.
TEMPLATES = (
    "Mom said that the {noun}{between}",
    "After lunch, the {noun}{between}",
    "We heard that the {noun}{between}",
    "In this story, the {noun}{between}",
    "It is true that the {noun}{between}",
    "Once the {noun}{between}",
)
BETWEEN = ("beside the {near}", "in front of the {near}", "across from the {near}")
ANSWERS = {"singular": (" was", " were"), "plural": (" were", " was")}


def make_agreement(n_prompts, tokenizer, *, distractor=False, random_state=None):
    """Make prompts whose next word is *was* or *were*.

    The next word after "Mom said that the lions" is *were*. With a distractor, it is still
    *were*: "Mom said that the lions beside the lamp". The subject of the counterfactual has the
    other number and the same number of tokens, and is the same noun where the tokenizer allows
    it. No noun used here is the subject of a generated sentence in the training data of the
    bundled model.

    Parameters
    ----------
    n_prompts : int
        Number of pairs of prompts.
    tokenizer : PreTrainedTokenizerBase
        Tokenizer of the model that will read the prompts.
    distractor : bool, default=False
        If True, put a noun of the other number between the subject and the verb.
    random_state : int, RandomState instance or None, default=None
        Seed for sampling. Pass an int for reproducible prompts across calls.

    Returns
    -------
    Bunch
        prompts, counterfactuals : list of str
            The two prompts of each pair.
        answers : list of (str, str)
            The right and the wrong verb after the prompt.
        counterfactual_answers : list of str
            The right verb after the counterfactual.
        numbers : ndarray of str, shape (n_prompts,)
            Number of the prompt's subject, alternating between "singular" and "plural".
        templates : ndarray of int, shape (n_prompts,)
            Index of the template.
        prompt_ids, counterfactual_ids, answer_ids, differing_positions, input_ids, \
counterfactual_input_ids, attention_mask, metric, DESCR : see `make_ioi`
            Token ids, the metric on logits, and a description.

    Raises
    ------
    TypeError
        If `tokenizer` is not a tokenizer, or a parameter has the wrong type.
    ValueError
        If a parameter is out of range, or the tokenizer gives no pairs of equal length.

    See Also
    --------
    make_ioi : Make prompts whose next word is a name.
    make_pronouns : Make prompts whose next word is a pronoun.

    Examples
    --------
    >>> from transformers import AutoTokenizer
    >>> from skdict.datasets import load_stories, make_agreement
    >>> tokenizer = AutoTokenizer.from_pretrained(load_stories().model)
    >>> agreement = make_agreement(2, tokenizer, random_state=0)
    >>> agreement.answers
    [(' was', ' were'), (' were', ' was')]
    """
    check_flag("distractor", distractor)
    tokenizer = PromptTokenizer(tokenizer)
    pairs = _noun_pairs(tokenizer)

    def draw(number, rng):
        here = ("singular", "plural")[number % 2]
        subject = pairs[rng.choice(len(pairs))]
        near = NOUNS[rng.choice(len(NOUNS))]
        # The number of the distractor is the opposite of the subject's.
        other = near[1] if here == "singular" else near[0]
        between = " " + str(rng.choice(BETWEEN)).format(near=other) if distractor else ""
        template = number // 2 % len(TEMPLATES)
        nouns = subject if here == "singular" else subject[::-1]
        prompt, changed = (TEMPLATES[template].format(noun=n, between=between) for n in nouns)
        right, wrong = ANSWERS[here]
        return Draw(prompt, changed, right, wrong, wrong, numbers=here, templates=template)

    return make_pairs(
        n_prompts,
        tokenizer,
        draw,
        check_random_state(random_state),
        "Number agreement; in the counterfactual, the subject has the other number.",
    )


def _noun_pairs(tokenizer):
    """Return (singular, plural) pairs of equal token length, of the same noun if possible."""
    same = [pair for pair in NOUNS if tokenizer.length(pair[0]) == tokenizer.length(pair[1])]
    if len(same) >= 8:
        return same
    plurals = by_length([plural for _, plural in NOUNS], tokenizer)
    pairs = same + [
        (one, many)
        for one, own in NOUNS
        for many in plurals.get(tokenizer.length(one), [])
        if many != own
    ]
    # If no two nouns match in length, return any: `make_pairs` then raises the error.
    return pairs or NOUNS
