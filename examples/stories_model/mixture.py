"""Blocks of training rows, mixed from real, teacher-written and generated stories."""

import random
import re

from stories_model.grammar import generated_story
from stories_model.names import BOYS, GIRLS, RENAMED, made_up_name
from stories_model.tokens import pack, token_lists

# Shares of tokens by source. The last blocks have more real stories.
SHARES = {"real": 0.34, "teacher": 0.22, "generated": 0.44}
LAST_SHARES = {"real": 0.46, "teacher": 0.04, "generated": 0.5}
RENAME_SHARE = 0.35
_NAME = re.compile(r"\b(" + "|".join(RENAMED) + r")\b")


def rename(story, rng):
    """Return a story with its names replaced consistently by names of the same gender."""
    others = {}

    def other(match):
        name = match.group()
        if name not in others:
            listed = GIRLS if name in GIRLS else BOYS
            others[name] = rng.choice(listed) if rng.random() < 0.8 else made_up_name(rng)
        return others[name]

    return _NAME.sub(other, story)


class Mixture:
    """Blocks of rows from three sources.

    A block depends only on its number and on the cursors, which count the stories read from each
    source, so interrupted training resumes exactly where it stopped.
    """

    def __init__(self, tokenizer, real, teacher, seed):
        self.tokenizer, self.seed = tokenizer, seed
        self.sources = {"real": real, "teacher": teacher}
        self.cursors = {"real": 0, "teacher": 0}
        self._orders = {}

    def block(self, number, n_tokens, length, last):
        """Return the inputs and labels of a block of about `n_tokens` tokens."""
        rng = random.Random(f"{self.seed} {number}")
        lists = []
        for source, share in (LAST_SHARES if last else SHARES).items():
            wanted = share * n_tokens
            while wanted > 0:
                more = token_lists(self.tokenizer, self._texts(source, rng))
                wanted -= sum(len(ids) for ids, _ in more)
                lists += more
        return pack(lists, length, rng)

    def _texts(self, source, rng, count=200):
        if source == "generated":
            return [generated_story(rng)[0] for _ in range(count)]
        cursor = self.cursors[source]
        self.cursors[source] += count
        texts = [self._story(source, i) for i in range(cursor, cursor + count)]
        if source == "real":
            texts = [rename(t, rng) if rng.random() < RENAME_SHARE else t for t in texts]
        return texts

    def _story(self, source, position):
        """Return a story from the endless sequence of a source, reshuffled every round."""
        stories = self.sources[source]
        turn, place = divmod(position, len(stories))
        if self._orders.get(source, (None,))[0] != turn:
            order = random.Random(f"{self.seed} {source} {turn}").sample(stories, len(stories))
            self._orders[source] = turn, order
        return self._orders[source][1][place]
