"""Prompts for indirect object identification."""

from skdict._validation import check_choice, check_random_state
from skdict.datasets._paired_prompts import Draw, PromptTokenizer, by_length, make_pairs
from skdict.datasets._task_words import BOYS, GIRLS, OBJECTS, PLACES

# {A} and {B} are the two people in the order of the sentence, {S} the one who acts.
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
    "roles": "subject and indirect object change places",
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

    "Then, Ruth and Adam went to the museum. Adam gave a drum to" goes on with Ruth: the one
    who does not act. Each prompt has a counterfactual of equal token length, as in [1]_: the
    indirect object is a third name, all else stays. Names, places, objects and templates are
    none that the bundled model was trained on in such a sentence, and no name of these
    stands in its training text at all. Names may have several tokens and are scored whole.

    Parameters
    ----------
    n_prompts : int
        Pairs of prompts.
    tokenizer : tokenizer of transformers
        Of the model that will read the prompts. Names are drawn so that both prompts of a
        pair have equal length in its tokens.
    names : list of str, optional
        First names to draw from, at least three of equal token length; by default 80 that
        the bundled model has never seen.
    order : {"both", "ABBA", "BABA"}, default="both"
        Which name comes first: the indirect object's (ABBA: Ruth and Adam, Adam to Ruth) or
        the subject's (BABA: Adam and Ruth, Adam to Ruth); "both" takes turns.
    counterfactual : {"name", "roles"}, default="name"
        "name" puts a third name in place of the indirect object, the pair of [1]_; "roles"
        has the other person act, so that the two answers change places.
    random_state : int, RandomState instance or None, default=None
        Seed of everything.

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
            Which template was filled.
        prompt_ids, counterfactual_ids : list of ndarray of shape (n_tokens,)
            Token ids with the tokenizer's special tokens, equally many in a pair.
        answer_ids : list of (ndarray, ndarray)
            Token ids of the right and the wrong answer.
        differing_positions : list of ndarray
            Where the token ids of a pair differ.
        input_ids, counterfactual_input_ids : ndarray of shape (2 * n_prompts, n_positions)
            Each prompt followed by its right answer (row 2 i) and its wrong answer (row
            2 i + 1), padded with 0 on the right.
        attention_mask : ndarray of shape (2 * n_prompts, n_positions)
            1 where those rows hold a token, for both.
        metric : callable
            ``metric(logits, pairs=None)``: from a model's logits for `input_ids` or
            `counterfactual_input_ids`, the log probability of the right answer less that of
            the wrong one, in nats, shape (n_prompts,).
        DESCR : str
            What the prompts are.

    Raises
    ------
    TypeError
        If `tokenizer` is none or a parameter is of the wrong kind.
    ValueError
        If a parameter is out of range, or the tokenizer gives no pairs of equal length.

    See Also
    --------
    make_pronouns : Prompts that go on with a pronoun.
    make_agreement : Prompts that go on with a verb.

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
        # All three names are equally long, so the orders and the roles may be exchanged.
        names = rng.permutation(groups[rng.choice(len(groups), p=weights)])[:3]
        here = ("ABBA", "BABA")[number % 2] if order == "both" else order
        # A template serves both orders before the next has its turn.
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
