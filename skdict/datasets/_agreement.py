"""Prompts that go on with a verb of the right number."""

from skdict._validation import check_flag, check_random_state
from skdict.datasets._paired_prompts import Draw, PromptTokenizer, by_length, make_pairs
from skdict.datasets._task_words import NOUNS

# {noun} is the subject, {between} what stands between it and the verb.
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

    "Mom said that the lions" goes on with *were*; with a distractor, "Mom said that the lions
    beside the lamp" does, too. The counterfactual has a subject of the other number and of
    equal token length, the same noun where the tokenizer allows. None of these nouns is the
    subject of a generated sentence that the bundled model was trained on.

    Parameters
    ----------
    n_prompts : int
        Pairs of prompts.
    tokenizer : tokenizer of transformers
        Of the model that will read the prompts.
    distractor : bool, default=False
        Whether a noun of the other number stands between the subject and the verb.
    random_state : int, RandomState instance or None, default=None
        Seed of everything.

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
            "singular" or "plural", of the prompt's subject; they take turns.
        templates : ndarray of int, shape (n_prompts,)
            Which template was filled.
        prompt_ids, counterfactual_ids, answer_ids, differing_positions, input_ids, \
counterfactual_input_ids, attention_mask, metric, DESCR : as of `make_ioi`
            Token ids, and the metric on logits.

    Raises
    ------
    TypeError
        If `tokenizer` is none or a parameter is of the wrong kind.
    ValueError
        If a parameter is out of range, or the tokenizer gives no pairs of equal length.

    See Also
    --------
    make_ioi : Prompts that go on with a name.
    make_pronouns : Prompts that go on with a pronoun.

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
        # The distractor has the number that the subject of the prompt has not.
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
    """Return (singular, plural) pairs of equal token length, of one noun where that can be."""
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
    # Where no two nouns fit, any will do: `make_pairs` says what is wrong.
    return pairs or NOUNS
