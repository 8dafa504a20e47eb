"""Generated sentences of four kinds, each of which teaches one rule.

The rules are indirect objects (the one of two people who does not act receives), pronouns, number
agreement, and repeated names. Every sample fills slots in sentence templates, so each rule has
thousands of surface forms. Both orders of the names are equally frequent, so the position of a name
does not reveal the answer.
"""

from stories_model.names import COMMON, GIRLS, made_up_name, pick_name
from stories_model.words import (
    ADJECTIVES,
    ADVERBS,
    ASIDES,
    BE_PHRASES,
    BEFORE,
    CLAUSES,
    DEEDS,
    GIRL_WORDS,
    KINDS,
    NOUNS,
    OBJECTS,
    OPENINGS,
    PLACES,
    PRONOUN_DEEDS,
    REPLIES,
    TWO_NOUNS,
    VERB_PAIRS,
    WHERE,
)

PRONOUNS = {
    "girl": {"he": "she", "He": "She", "his": "her", "him": "her", "self": "herself"},
    "boy": {"he": "he", "He": "He", "his": "his", "him": "him", "self": "himself"},
}
KIND_SHARES = {"indirect object": 0.48, "pronoun": 0.09, "agreement": 0.11, "name": 0.32}


def generated_story(rng):
    """Return a story of a few sentences and its kind."""
    kind = rng.choices(list(KIND_SHARES), KIND_SHARES.values())[0]
    maker = {
        "indirect object": two_name_story,
        "pronoun": pronoun_story,
        "agreement": agreement_story,
        "name": name_story,
    }[kind]
    return maker(rng), kind


def a(noun):
    """Return a noun with its article."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def two_name_story(rng):
    """Return a story of one to three actions between two people."""
    people = two_people(rng)
    words = scene(rng)
    story = fill(rng.choice(OPENINGS), rng, words, **dict(zip("AB", people, strict=True)))
    doer, other = rng.sample(people, 2)
    for number in range(rng.choice((1, 1, 2, 3))):
        if number:
            # Later actions swap the roles slightly more often than not.
            doer, other = (other, doer) if rng.random() < 0.6 else (doer, other)
            story += " "
        # An opening that ends within a sentence continues directly with the action.
        if story.endswith((". ", '" ', "! ")):
            if rng.random() < 0.25:
                story += fill(rng.choice(ASIDES), rng, words) + " "
            if rng.random() < 0.2:
                story += rng.choice(ADVERBS)
        story += fill(rng.choice(DEEDS), rng, words, S=doer, O=other)
        if rng.random() < 0.4:
            story += " " + fill(rng.choice(REPLIES), rng, words, S=doer, O=other)
    return story


def two_people(rng):
    """Return two different names as (name, gender) pairs."""
    while True:
        people = [(pick_name(rng, kind), kind) for kind in rng.choices(("girl", "boy"), k=2)]
        if people[0][0] != people[1][0]:
            return people


def scene(rng):
    """Return the words of a scene: a place, two objects and an adjective."""
    thing, other = rng.sample(OBJECTS, 2)
    return {
        "place": rng.choice(PLACES),
        "object": thing,
        "other": other,
        "adjective": rng.choice(ADJECTIVES),
    }


def fill(template, rng, words, **people):
    """Return a template filled with words and people.

    `{S}` is a name, `{S:he}` its pronoun and `{S:girl}` a word for the person; `{a_object}` is the
    object with its article.
    """
    values = dict(words)
    values |= {f"a_{key}": a(word) for key, word in words.items()}
    for key, (name, gender) in people.items():
        values[key] = name
        template = template.replace("{" + key + ":girl}", _person_word(rng, gender))
        for pronoun, own in PRONOUNS[gender].items():
            template = template.replace("{" + key + ":" + pronoun + "}", own)
    return template.format(**values)


def _person_word(rng, gender):
    girl, boy = rng.choice(GIRL_WORDS)
    return girl if gender == "girl" else boy


def pronoun_story(rng):
    """Return sentences about one person, with pronouns that agree."""
    kind = rng.choice(("girl", "boy"))
    # An unknown name does not reveal the gender, so its bearer is introduced.
    unknown = rng.random() < 0.4
    name = made_up_name(rng) if unknown else pick_name(rng, kind)
    person, words = (name, kind), scene(rng)
    known = name in COMMON
    introductions = KINDS if unknown or not known or rng.random() < 0.4 else ("{S} ",)
    story = fill(rng.choice(introductions), rng, words, S=person)
    sentences = rng.sample(PRONOUN_DEEDS, rng.choice((1, 2, 3)))
    for number, sentence in enumerate(sentences):
        if story.endswith("{S} ") or story == name + " ":
            story = ""
        subject = name if number == 0 and rng.random() < 0.7 else PRONOUNS[kind]["He"]
        if not story or rng.random() < 0.15:
            subject = name
        if subject == name and rng.random() < 0.3:
            subject += fill(rng.choice(CLAUSES), rng, words)
        text = fill(sentence, rng, words, S=person)
        story = f"{story} {subject} {text}".strip()
        if rng.random() < 0.3:
            story += " " + fill(rng.choice(ASIDES), rng, words)
    return story


def agreement_story(rng):
    """Return one to three sentences whose verbs agree with their subjects."""
    sentences = []
    for _ in range(rng.choice((1, 2, 3))):
        number = rng.choice((0, 1))
        draw = rng.random()
        if draw < 0.2:
            one, two = (person[0] for person in two_people(rng))
            subject = (one, f"{one} and {two}")[number]
        elif draw < 0.35:
            noun, plural = rng.choice(NOUNS)
            subject = (f"This {noun}", f"These {plural}")[number]
        elif draw < 0.42:
            subject = (f"One of the {rng.choice(NOUNS)[1]}", rng.choice(TWO_NOUNS))[number]
        else:
            adjective = rng.choice(("", "", rng.choice(ADJECTIVES) + " "))
            determiner = rng.choice(("The", "The", "The", "Her", "His", "My", "Their"))
            subject = f"{determiner} {adjective}{rng.choice(NOUNS)[number]}"
        if draw >= 0.2 and rng.random() < 0.6:
            # The noun between subject and verb has either number.
            near = rng.choice(NOUNS)[rng.choice((0, 1))]
            where = rng.choice(WHERE).format(near=near, name=pick_name(rng, "girl"))
            subject += " " + where
        if rng.random() < 0.4:
            before = rng.choice(BEFORE)
            subject = before + (subject if draw < 0.2 else subject[0].lower() + subject[1:])
        verb = rng.choice(VERB_PAIRS)[number]
        sentences.append(f"{subject} {verb} {_after(rng, verb)}.")
    return " ".join(sentences)


def _after(rng, verb):
    if verb in ("has", "have"):
        return a(rng.choice(ADJECTIVES) + " " + rng.choice(OBJECTS))
    if verb in ("was", "were", "is", "are"):
        return rng.choice((rng.choice(ADJECTIVES), rng.choice(BE_PHRASES)))
    return rng.choice(("every day", "in the garden", "all day", "with joy", "at night"))


def name_story(rng):
    """Return a story in which one or two uncommon names are repeated."""
    names = [made_up_name(rng) if rng.random() < 0.7 else rng.choice(GIRLS) for _ in range(2)]
    kind = rng.choice(("girl", "boy", "cat", "dog", "bear", "bird", "rabbit", "dragon", "fox"))
    words = scene(rng)
    story = f"{rng.choice(_NAMINGS)} {a(rng.choice(ADJECTIVES) + ' ' + kind)} "
    story += f"{rng.choice(('named', 'called', 'whose name was'))} {names[0]}."
    two = rng.random() < 0.5
    if two:
        story += f" {names[0]} had a friend named {names[1]}."
    for _ in range(rng.choice((2, 3, 4))):
        here = names[0] if not two or rng.random() < 0.5 else names[1]
        story += " " + rng.choice(_NAME_SENTENCES).format(N=here, **words)
    return story


_NAMINGS = (
    "We saw",
    "This is the story of",
    "My sister has",
    "There is a book about",
    "Once upon a time, there was",
    "There was",
    "One day,",
    "Once there was",
    "Long ago, there lived",
    "In a {place} lived".format(place="small house"),
)
_NAME_SENTENCES = (
    "{N} liked to play.",
    "One day, {N} went to the {place}.",
    "Everyone loved {N}.",
    "{N} found a {adjective} {object}.",
    '"Come here, {N}!" said Mom.',
    "The {object} was for {N}.",
    "Then {N} was happy.",
    "Mom looked for {N}.",
    "{N} was very {adjective}.",
    "All the children called {N}.",
    "It was time for {N} to go home.",
    "The little bird sang to {N}.",
    "{N}'s {object} was {adjective}.",
    "Have you ever seen {N}?",
    "We all waited for {N}.",
    "Nobody could find {N}.",
    "I want to play with {N}.",
    "Yesterday I saw {N} near the {place}.",
    "Mom read a book about {N}.",
    "They wanted to visit {N}.",
    "I told Dad about {N}.",
    "The {object} of {N} was {adjective}.",
    "Who had taken {N} to the {place}?",
    '"Hello," said {N}.',
)
