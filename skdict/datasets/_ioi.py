"""Prompts for indirect object identification."""

from skdict._validation import check_choice, check_random_state
from skdict.datasets._paired_prompts import Draw, PromptTokenizer, by_length, make_pairs
from skdict.datasets._task_words import BOYS, GIRLS, OBJECTS, PLACES

# {A} and {B} are the two people in sentence order, {S} is the one who acts.
TEMPLATES = (
    "Then, {A} and {B} went to the {place}. {S} gave a {object} to",
    "When {A} and {B} got a {object} at the {place}, {S} decided to give it to",
    "While {A} and {B} were working at the {place}, {S} gave a {object} to",
    "Then, {A} and {B} had fun at the {place}. {S} offered the {object} to",
    "Yesterday {A} and {B} walked around the {place}, and {S} gave the {object} to",
    "Friends {A} and {B} found a {object} at the {place}. {S} gave it to",
    "Then {A} and {B} had a long talk at the {place}. After that, {S} said goodbye to",
    "Near the {place}, {A} and {B} stopped to rest, and {S} passed a {object} to",
)
KINDS = {
    "name": "the indirect object is a third name",
    "roles": "subject and indirect object are swapped",
}


def make_ioi(
    n_prompts,
    tokenizer,
    *,
    names=None,
    order="both",
    counterfactual="name",
    random_state=None,
):
    """Make prompts whose next word is the indirect object.

    The next word after "Then, Ruth and Adam went to the museum. Adam gave a drum to" is Ruth,
    the person who does not act. Each prompt has a counterfactual with the same number of tokens,
    as in [1]_: a third name replaces the indirect object and everything else is unchanged. The
    bundled model was not trained on these names, places, objects and templates in sentences of
    this kind, and none of the default names occurs anywhere in its training text. Names may
    have several tokens and are scored as a whole.

    Parameters
    ----------
    n_prompts : int
        Number of pairs of prompts.
    tokenizer : PreTrainedTokenizerBase
        Tokenizer of the model that will read the prompts. Names are chosen so that both prompts
        of a pair have the same number of tokens.
    names : list of str, optional
        First names to sample from, at least three of equal token length. The default is 80 names
        that the bundled model has never seen.
    order : {"both", "ABBA", "BABA"}, default="both"
        Order of the names: indirect object first (ABBA: Ruth and Adam, Adam to Ruth) or subject
        first (BABA: Adam and Ruth, Adam to Ruth). "both" alternates between the two.
    counterfactual : {"name", "roles"}, default="name"
        Difference between the prompts of a pair. "name" replaces the indirect object by a third
        name, as in [1]_; "roles" makes the other person act, which swaps the two answers.
    random_state : int, RandomState instance or None, default=None
        Seed for sampling. Pass an int for reproducible prompts across calls.

    Returns
    -------
    Bunch
        prompts, counterfactuals : list of str
            The two prompts of each pair.
        answers : list of (str, str)
            The right and the wrong answer after the prompt: indirect object and subject.
        counterfactual_answers : list of str
            The right answer after the counterfactual.
        orders : ndarray of str, shape (n_prompts,)
            "ABBA" or "BABA".
        templates : ndarray of int, shape (n_prompts,)
            Index of the template.
        prompt_ids, counterfactual_ids : list of ndarray of shape (n_tokens,)
            Token ids, including the tokenizer's special tokens; equally many in a pair.
        answer_ids : list of (ndarray, ndarray)
            Token ids of the right and the wrong answer.
        differing_positions : list of ndarray
            Positions at which the token ids of a pair differ.
        input_ids, counterfactual_input_ids : ndarray of shape (2 * n_prompts, n_positions)
            Each prompt followed by its right answer (row 2 i) and its wrong answer (row
            2 i + 1), padded with 0 on the right.
        attention_mask : ndarray of shape (2 * n_prompts, n_positions)
            1 for tokens and 0 for padding; it applies to both arrays of input ids.
        metric : callable
            Function ``metric(logits, pairs=None)`` from the logits of a model for `input_ids` or
            `counterfactual_input_ids` to the log probability of the right answer minus that of
            the wrong answer, in nats, shape (n_prompts,).
        DESCR : str
            Description of the prompts.

    Raises
    ------
    TypeError
        If `tokenizer` is not a tokenizer, or a parameter has the wrong type.
    ValueError
        If a parameter is out of range, or the tokenizer gives no pairs of equal length.

    See Also
    --------
    make_pronouns : Make prompts whose next word is a pronoun.
    make_agreement : Make prompts whose next word is a verb.

    References
    ----------
    .. [1] Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find
       Highly Interpretable Features in Language Models", section 4; the task is that of Wang
       et al. (2022), "Interpretability in the Wild".

    Examples
    --------
    >>> from transformers import AutoTokenizer
    >>> from skdict.datasets import load_stories, make_ioi
    >>> tokenizer = AutoTokenizer.from_pretrained(load_stories().model)
    >>> ioi = make_ioi(4, tokenizer, random_state=0)
    >>> [len(a) == len(b) for a, b in zip(ioi.prompt_ids, ioi.counterfactual_ids)]
    [True, True, True, True]
    >>> ioi.orders.tolist()
    ['ABBA', 'BABA', 'ABBA', 'BABA']
    """
    check_choice("order", order, ("both", "ABBA", "BABA"))
    check_choice("counterfactual", counterfactual, tuple(KINDS))
    tokenizer = PromptTokenizer(tokenizer)
    groups = by_length(GIRLS + BOYS if names is None else names, tokenizer).values()
    groups = [sorted(set(group)) for group in groups if len(set(group)) >= 3]
    if not groups:
        raise ValueError(
            f"names={names!r} has no three names of equal token length; pass more names"
        )
    weights = [len(group) / sum(map(len, groups)) for group in groups]

    def draw(number, rng):
        # All three names have the same length, so order and roles can be swapped freely.
        names = rng.permutation(groups[rng.choice(len(groups), p=weights)])[:3]
        here = ("ABBA", "BABA")[number % 2] if order == "both" else order
        # Each template is used with both orders before the next one is used.
        return _draw(number // 2 % len(TEMPLATES), here, counterfactual, *map(str, names), rng)

    return make_pairs(
        n_prompts,
        tokenizer,
        draw,
        check_random_state(random_state),
        f"Indirect object identification; in the counterfactual, {KINDS[counterfactual]}.",
    )


def _draw(template, order, counterfactual, indirect, subject, third, rng):
    words = {"place": rng.choice(PLACES), "object": rng.choice(OBJECTS)}

    def filled(other, doer):
        first, second = (other, subject) if order == "ABBA" else (subject, other)
        return TEMPLATES[template].format(A=first, B=second, S=doer, **words)

    prompt = filled(indirect, subject)
    if counterfactual == "name":
        changed, answer = filled(third, subject), third
    else:
        changed, answer = filled(indirect, indirect), subject
    right, wrong = f" {indirect}", f" {subject}"
    return Draw(prompt, changed, right, wrong, f" {answer}", orders=order, templates=template)
