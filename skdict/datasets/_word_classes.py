"""Words with one usual part of speech, for `label_tokens`.

Words that are often used in two ways ("play", "that", "to", "like") are left out, so that a
listed word is almost always what the list says.
"""

PRONOUNS = """
    i me my mine myself we us our ours ourselves you your yours yourself he him his himself she her
    hers herself it its itself they them their theirs themselves
""".split()
DETERMINERS = "a an the every".split()
PREPOSITIONS = """
    of in at from with into onto upon under near beside beneath between among during against
    toward towards without within behind across despite throughout
""".split()
CONJUNCTIONS = "and or but because although unless whereas".split()
ADVERBS = """
    very too also always never often again soon together maybe perhaps almost already away here
    not now then still suddenly instead sometimes ever just quite later
""".split()
ADJECTIVES = """
    happy sad big small little tiny large huge tall loud soft beautiful scary scared excited
    proud red blue green yellow purple black white bright dark hungry sleepy angry brave curious
    careful colorful shiny funny silly strong special great good bad nice new old young hot
    wonderful delicious friendly lonely ugly lovely kind important different difficult similar
    several many military political national international western eastern northern
    southern central popular successful final major minor local public private federal naval
    commercial critical historic ancient modern possible available significant famous dangerous
    colourful amazing tired surprised worried ashamed
""".split()
VERBS = """
    was were is are am had has did does said told asked went came saw knew thought felt took gave
    got made found ate ran sat stood heard began became brought bought caught fell flew forgot grew
    held kept lost met sang slept spoke swam threw wore won wrote taught learned learnt chose
    drew drove rode rose stole taken given gone seen been eaten written known shown led paid sent
    built spent hid shook sold understood broke broken be go eat say know see come give think find
    tell ask bring become begin
""".split()

# Singular nouns. The plural has -s, -es or -ies, unless it is listed as irregular.
NOUNS = """
    dog cat bear rabbit frog fox dragon lion bunny monkey duck animal puppy kitten squirrel giraffe
    ball toy doll book tree flower house car truck boat boy girl friend sister brother mommy daddy
    parent teacher doctor king queen prince princess mother father daughter son family baby
    apple banana carrot cake cookie cupcake sandwich pie egg orange tomato strawberry vegetable
    park garden forest beach store kitchen bedroom room door window table chair couch pillow
    blanket castle farm barn playground library school museum zoo lake river hill cave hole pond
    meadow yard town city village country road street highway bridge building church station
    mountain valley island region area county province district century year month week
    hour minute morning afternoon evening day night birthday dinner lunch breakfast
    hat shoe shirt dress mitten coat bag basket bottle bowl cup spoon pot box picture mirror
    balloon bike kite robot puddle cloud rock shell feather leaf branch carpet desk
    game song album film episode season team player coach league tournament championship
    war battle army navy soldier officer commander ship vessel regiment battalion squadron weapon
    gun missile government president minister governor senator emperor party policy
    company industry population event scene character story novel writer author actor
    actress director producer critic magazine newspaper award band singer musician artist
    storm hurricane mile kilometre metre foot tooth mouse goose child man woman wife knife wolf
    person member student scientist engineer lawyer career university college adventure idea
    thing word sentence world earth moon planet star bird horse cow pig owl crab
    butterfly bee spider wing tail nose eye ear leg arm finger
""".split()
IRREGULAR_PLURALS = {
    "leaf": "leaves",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "child": "children",
    "man": "men",
    "woman": "women",
    "wife": "wives",
    "knife": "knives",
    "wolf": "wolves",
    "person": "people",
}

# Words that the suffixes -ed and -ly would place wrongly, or that can be more than one thing.
NOT_VERBS_IN_ED = """
    hundred indeed naked sacred wicked kindred hatred rugged jagged crooked ragged beloved
    excited scared tired surprised worried ashamed bored amazed pleased confused delighted
    interested disappointed frightened relieved united limited advanced supposed aged gifted
    talented detailed armed unexpected unexplored unnamed unused
""".split()
NOT_ADVERBS_IN_LY = """
    family only early likely unlikely friendly ugly lovely silly jelly belly bully holy lonely daily
    weekly monthly yearly elderly deadly lively supply reply apply multiply assembly butterfly
    curly hilly rally tally ally chilly smelly woolly wobbly bubbly cuddly sparkly wiggly wrinkly
    orderly costly cowardly fatherly motherly heavenly ghostly homely kindly leisurely
    lowly scholarly sickly timely worldly italy
""".split()
# Capitalised within a sentence, but adjectives or nouns rather than names.
NATIONALITIES = frozenset(
    """
    African American Argentine Asian Australian Austrian Belgian Brazilian British Bulgarian
    Canadian Chinese Croatian Cuban Czech Danish Dutch Egyptian English European Finnish French
    German Greek Hungarian Indian Indonesian Iranian Iraqi Irish Israeli Italian Japanese Korean
    Latin Mexican Mongolian Norwegian Ottoman Philippine Polish Portuguese Roman Romanian Russian
    Scottish Serbian Soviet Spanish Swedish Swiss Thai Turkish Ukrainian Vietnamese Welsh
    Christian Catholic Jewish Muslim Protestant
    """.split()
)


def plural(noun):
    """Return the plural of a listed noun."""
    if noun in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun in ("tomato",) or noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun + "s"


SINGULARS = frozenset(NOUNS)
PLURALS = frozenset(map(plural, NOUNS))
# Words of few classes, which are not names even where they are capitalised in a title.
FUNCTION_WORDS = {
    **dict.fromkeys(PRONOUNS, "pronoun"),
    **dict.fromkeys(DETERMINERS, "determiner"),
    **dict.fromkeys(PREPOSITIONS, "preposition"),
    **dict.fromkeys(CONJUNCTIONS, "conjunction"),
}
WORDS = FUNCTION_WORDS | {
    **dict.fromkeys(ADVERBS, "adverb"),
    **dict.fromkeys(ADJECTIVES, "adjective"),
    **dict.fromkeys(VERBS, "verb"),
    **dict.fromkeys(SINGULARS | PLURALS, "noun"),
}
FEMININE = frozenset("she her hers herself".split())
MASCULINE = frozenset("he him his himself".split())


def class_of(word):
    """Return the part of speech of a word in lower case by list or suffix; "" if unknown."""
    if word in WORDS:
        return WORDS[word]
    if len(word) >= 5:
        if word.endswith("ed") and not word.endswith("eed") and word not in NOT_VERBS_IN_ED:
            return "verb"
        if word.endswith("ly") and word not in NOT_ADVERBS_IN_LY:
            return "adverb"
    return ""
