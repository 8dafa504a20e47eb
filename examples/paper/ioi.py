"""Prompts for indirect object identification, for the scripts that patch features."""

from skdict.datasets import make_ioi

# Names that many tokenizers encode as one token, so that one position decides the answer. The
# bundled model uses the rare names of `make_ioi`, which it has never seen.
COMMON_NAMES = (
    "Adam Alan Alex Alice Amy Andrew Anna Anne Anthony Ben Bill Bob Brian Carl Charles Chris "
    "Clark Daniel David Emily Emma Eric Frank George Grace Henry Jack James Jane Jason John Jose "
    "Joseph Julia Karen Kate Kevin Laura Lisa Luke Maria Mark Martin Mary Michael Mike Nick Paul "
    "Peter Rachel Richard Robert Rose Ruth Ryan Sam Sarah Scott Simon Sophie Steve Susan Thomas "
    "Tim Tom Victor William"
).split()
FEWEST_NAMES = 20


def ioi_prompts(args, tokenizer, n_pairs, seed, **options):
    """Return pairs of prompts in which one name is replaced."""
    names = None
    if args.model is not None:
        names = [name for name in COMMON_NAMES if n_tokens(tokenizer, name) == 1]
        if len(names) < FEWEST_NAMES:
            raise SystemExit(
                f"the tokenizer of {args.model} encodes only {len(names)} of {len(COMMON_NAMES)} "
                f"common names as one token; {FEWEST_NAMES} are needed"
            )
    return make_ioi(n_pairs, tokenizer, names=names, random_state=seed, **options)


def n_tokens(tokenizer, name):
    """Return the number of tokens of a name inside a sentence."""
    return len(tokenizer(f" {name}", add_special_tokens=False)["input_ids"])
