"""Prompts for the choice of a pronoun."""

from skdict._validation import check_flag, check_random_state
from skdict.datasets._paired_prompts import Draw, PromptTokenizer, by_length, make_pairs
from skdict.datasets._task_words import BOYS, GIRLS, KNOWN_BOYS, KNOWN_GIRLS, OBJECTS, PLACES

# Kind and name both occur twice in a prompt, so that a longer kind offsets a shorter name.
INTRODUCTIONS = (
    "Let me tell you about a {kind}, a nice {kind} whose name is {N}.",
    "My neighbor is a {kind} and we call the {kind} {N}.",
    "This is the story of a {kind}, and the name of the {kind} is {N}.",
    "We know a {kind} from the {place}, and that {kind} is {N}.",
)
DISTRACTORS = (
    ", who had waited by the old gate all night,",
    ", whom the people of the town liked,",
    ", who lived in a house beside a loud street,",
    ", after a long day at the {place},",
)
# The case of the pronoun, and a sentence that stops just before it.
SENTENCES = (
    ("subject", "{N} came back late because"),
    ("subject", "{N} opened the door, and then"),
    ("subject", "{N} woke up early. This time"),
    ("possessive", "{N} put a {object} into"),
    ("possessive", "{N} forgot"),
    ("possessive", "{N} dropped the {object} on"),
)
WORDS = {"subject": {"girl": " she", "boy": " he"}, "possessive": {"girl": " her", "boy": " his"}}


def make_pronouns(n_prompts, tokenizer, *, introduce=True, distractor=False, random_state=None):
    """Make prompts whose next word is a pronoun for a girl or a boy.

    The next word after "My neighbor is a boy and we call the boy Adam. Adam forgot" is *his*,
    not *her*. The counterfactual has the other gender and another name, in the same number of
    tokens. None of these sentences occurs in the training text of the bundled model.

    Parameters
    ----------
    n_prompts : int
        Number of pairs of prompts.
    tokenizer : PreTrainedTokenizerBase
        Tokenizer of the model that will read the prompts.
    introduce : bool, default=True
        If True, a first sentence says "girl" or "boy" of a name that the bundled model has never
        seen. If False, the name alone determines the pronoun; it is one of the most common names
        in the stories that the model was trained on.
    distractor : bool, default=False
        If True, put an unrelated clause between the name and the pronoun.
    random_state : int, RandomState instance or None, default=None
        Seed for sampling. Pass an int for reproducible prompts across calls.

    Returns
    -------
    Bunch
        prompts, counterfactuals : list of str
            The two prompts of each pair.
        answers : list of (str, str)
            The right and the wrong pronoun after the prompt.
        counterfactual_answers : list of str
            The right pronoun after the counterfactual.
        genders : ndarray of str, shape (n_prompts,)
            Gender in the prompt, alternating between "girl" and "boy".
        cases : ndarray of str, shape (n_prompts,)
            "subject" (she, he) or "possessive" (her, his).
        templates : ndarray of int, shape (n_prompts,)
            Index of the template of the last sentence.
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
    make_agreement : Make prompts whose next word is a verb.

    Examples
    --------
    >>> from transformers import AutoTokenizer
    >>> from skdict.datasets import load_stories, make_pronouns
    >>> tokenizer = AutoTokenizer.from_pretrained(load_stories().model)
    >>> pronouns = make_pronouns(4, tokenizer, random_state=0)
    >>> pronouns.genders.tolist()
    ['girl', 'boy', 'girl', 'boy']
    >>> pronouns.answers[0]
    (' she', ' he')
    """
    check_flag("introduce", introduce)
    check_flag("distractor", distractor)
    tokenizer = PromptTokenizer(tokenizer)
    girls, boys = (
        by_length(names, tokenizer)
        for names in ((GIRLS, BOYS) if introduce else (KNOWN_GIRLS, KNOWN_BOYS))
    )
    shift = tokenizer.length("girl") - tokenizer.length("boy") if introduce else 0
    lengths = [length for length in girls if length + shift in boys for _ in girls[length]]

    def draw(number, rng):
        kinds = ("girl", "boy") if number % 2 == 0 else ("boy", "girl")
        length = rng.choice(lengths)
        pair = {"girl": rng.choice(girls[length]), "boy": rng.choice(boys[length + shift])}
        # Each template is used with both genders before the next one is used.
        template = number // 2 % len(SENTENCES)
        return _draw(template, kinds, pair, introduce, distractor, rng)

    return make_pairs(
        n_prompts,
        tokenizer,
        draw,
        check_random_state(random_state),
        "Pronouns for a girl or a boy; the counterfactual has the other gender.",
    )


def _draw(template, kinds, names, introduce, distractor, rng):
    case, text = SENTENCES[template]
    if distractor:
        text = text.replace("{N}", "{N}" + str(rng.choice(DISTRACTORS)))
    if introduce:
        text = f"{rng.choice(INTRODUCTIONS)} {text}"
    words = {"place": rng.choice(PLACES), "object": rng.choice(OBJECTS)}
    prompt, changed = (text.format(N=names[kind], kind=kind, **words) for kind in kinds)
    right, wrong = (WORDS[case][kind] for kind in kinds)
    labels = {"genders": kinds[0], "cases": case, "templates": template}
    return Draw(prompt, changed, right, wrong, wrong, **labels)
