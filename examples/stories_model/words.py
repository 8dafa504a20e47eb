"""Words and sentence templates that `grammar` combines."""

PLACES = """
park beach school garden forest farm zoo lake library market river store playground field
mountain pond kitchen yard pool shop town theater woods meadow cave barn street house circus
""".split()
OBJECTS = """
ball book cake drink flower toy apple hat kite shell cookie box doll stick cup balloon car
truck bike blanket basket rock feather spoon shirt shoe pie orange banana carrot egg snack
picture letter gift boat bear block brush coat mitten fish leaf sandwich cupcake pillow
""".split()
ADJECTIVES = """
happy sad big small red blue green old new pretty funny soft loud quiet kind brave tired hungry
shiny clean dirty warm cold fast slow little nice yellow tall good lonely silly sleepy
""".split()
GIRL_WORDS = [("girl", "boy"), ("little girl", "little boy"), ("woman", "man"), ("girl", "boy")]
NOUNS = [
    (noun, noun + "s")
    for noun in """
    dog cat bird ball tree car girl boy bear toy flower friend rabbit duck cow frog kite boat
    house cake hat star cloud book door apple train horse pig bee ant rock leg hand window chair
    hen zebra parrot penguin elephant dragon dinosaur snake spider worm bug crab whale seal swan
    nurse baker sailor clown prince neighbor uncle aunt brother sister cook driver singer giant
    table desk bed jar bowl plate shoe boot coat sock button rope key shell bucket spoon fork road
    hill lake river tower wall fence roof nest seed root carrot onion melon pear cherry
    cart plane rocket sled ship wheel engine paper card stamp block puzzle blanket pillow mat
    """.split()
]
NOUNS += [
    ("baby", "babies"),
    ("child", "children"),
    ("puppy", "puppies"),
    ("man", "men"),
    ("fairy", "fairies"),
]
TWO_NOUNS = ["Two dogs", "Three cats", "Many birds", "Some children", "The two boys", "All toys"]
VERB_PAIRS = [("was", "were")] * 6 + [("is", "are")] * 3
VERB_PAIRS += [("has", "have"), ("runs", "run"), ("plays", "play"), ("sings", "sing")]
BE_PHRASES = """in the park/on the table/at home/in the box/very happy/not happy/so big/playing
near the lake/under the tree/too loud/ready to go/full of joy/not there/gone""".replace("\n", " ")
BE_PHRASES = BE_PHRASES.split("/")
WHERE = (
    "near the {near}",
    "with the {near}",
    "behind the {near}",
    "by the {near}",
    "on the hill",
    "in the garden",
    "at the park",
    "from the {near}",
    "next to the {near}",
    "that {name} saw",
    "that saw the {near}",
    "under the {near}",
    "of the {near}",
)

BEFORE = (
    "One day, ",
    "Dad said that ",
    "She saw that ",
    "At night, ",
    "I think ",
    "He knew that ",
    "Now ",
    "Every morning ",
    "Lily told Tom that ",
    "But ",
    "In the book, ",
    "Sometimes ",
    "It was good that ",
    "Mom told us that ",
    "After the rain, ",
    "In the end, ",
    "You know that ",
    "Because ",
)

# Openings end within a sentence, which the action continues, or at its end.
_MEETINGS = (
    "went to the {place}",
    "played at the {place}",
    "walked to the {place}",
    "ran to the {place}",
    "sat in the {place}",
    "were at the {place}",
    "had {a_object}",
    "found {a_object} at the {place}",
    "made {a_object} together",
    "wanted to play",
    "played with {a_object}",
    "saw {a_adjective} {object} in the {place}",
    "were friends",
    "ate lunch",
    "looked at the {object}",
    "had {a_object} and {a_other}",
    "came home from the {place}",
    "met at the {place}",
    "spent the day at the {place}",
    "were tired and lay down in the {place}",
    "laughed a lot",
    "talked for a while in the {place}",
    "helped Mom in the {place}",
    "waited near the {place}",
    "ran and jumped",
    "were playing in the {place}",
)
_PAIRS = ("{A} and {B} ", "{A} and {B} ", "{A} and {B} ", "{A} and {A:his} friend {B} ")
_COMMA = ("When ", "After ", "As ", "Before ", "Once, when ", "One day, after ", "Because ")
_POINT = ("", "", "One day, ", "Today, ", "Last week, ", "In the morning, ", "Every day, ")
_FREE = (
    "{A} met {B} at the {place}. ",
    "{A} saw {B} at the {place}. ",
    "{A} had a friend named {B}. ",
    "{A} went to the {place} with {B}. ",
    "{A} lived near {B}. ",
    "{A} played with {B} all day. ",
    "Once upon a time, there were two friends named {A} and {B}. ",
    "Once there was a {A:girl} named {A} who had a friend named {B}. ",
    "There was a {A:girl} named {A}. There was a {B:girl} named {B}. ",
    "{A} had {a_object}. {B} had {a_other}. ",
    "{A} wanted the {object}. {B} wanted it too. ",
    "{A} liked the {object} and {B} liked the {other}. ",
    "{A} was {adjective}. {B} was {adjective} too. ",
    "When {A} came to the {place}, {B} was there. ",
    "{A} loved {B}. ",
    "At the {place}, {A} sat next to {B}. ",
    "{A} asked {B} to come to the {place}. ",
)
OPENINGS = [c + p + m + ", " for c in _COMMA for p in _PAIRS for m in _MEETINGS]
OPENINGS += [c + p + m + ". " for c in _POINT for p in _PAIRS for m in _MEETINGS]
OPENINGS += [p + m + ", and " for _ in range(3) for p in _PAIRS for m in _MEETINGS]
OPENINGS += 12 * list(_FREE)

ASIDES = (
    "It was a sunny day.",
    "The sun was bright.",
    "They were very {adjective}.",
    "The {object} was {adjective}.",
    "A dog barked.",
    "It was fun.",
    "They laughed and laughed.",
    "There was {a_other} on the ground.",
    "Then it began to rain.",
    "The birds were singing.",
    "Everyone was {adjective}.",
    "It was time to go home.",
    "The {place} was {adjective}.",
)
ADVERBS = ("Then ", "Then ", "Soon, ", "Later, ", "So ", "At last, ", "Next, ", "After a while, ")
_DEEDS = (
    "{S} gave {a_object} to {O}",
    "{S} gave the {object} to {O}",
    "{S} gave {S:his} {object} to {O}",
    "{S} gave {O} the {object}",
    "{S} gave {O} {a_object}",
    "{S} showed {a_object} to {O}",
    "{S} showed {O} the {object}",
    "{S} said hello to {O}",
    "{S} said sorry to {O}",
    "{S} said thank you to {O}",
    "{S} threw the {object} to {O}",
    "{S} wanted to share the {object} with {O}",
    "{S} wanted to give the {object} to {O}",
    "{S} smiled at {O}",
    "{S} waved to {O}",
    "{S} looked at {O}",
    "{S} took the {object} and gave it to {O}",
    "{S} picked up the {other} and showed it to {O}",
    "{S} handed {a_adjective} {object} to {O}",
    "{S} brought {a_object} to {O}",
    "{S} made {a_object} for {O}",
    "{S} read the book to {O}",
    "{S} sang a song for {O}",
    "{S} ran to {O}",
    "{S} played with {O}",
    "{S} talked to {O}",
    "{S} listened to {O}",
    "{S} offered {O} {a_object}",
    "{S} passed {O} the {object}",
    "{S} told {O} goodbye",
    "{S} asked {O} for the {object}",
    "{S} told {O} about the {place}",
    "{S} helped {O}",
    "{S} hugged {O}",
    "{S} found the {object} and it was for {O}",
    "{S} liked {O}",
    "{S} thought of {O}",
    "{S} took {a_object} from {O}",
    "{S} threw {a_adjective} {object} to {O}",
    "{S} was {adjective} and smiled at {O}",
    "{S} had {a_other} for {O}",
    "{S} sent {a_object} to {O}",
    "{S} lent the {object} to {O}",
    "{S} rolled the {object} to {O}",
    "{S} carried {a_object} to {O}",
    "{S} tossed the {object} to {O}",
    "{S} sold {a_object} to {O}",
    "{S} promised {a_object} to {O}",
    "{S} returned the {object} to {O}",
    "{S} wrote a letter to {O}",
    "{S} tried to pass the {object} to {O}",
    "{S} had to bring the {other} to {O}",
    "{S} took {a_object} and threw it to {O}",
    "{S} pointed to {O}",
    "{S} whispered to {O}",
)
_TAILS = (".", ".", ".", ".", " with a smile.", " and smiled.", " again.", "!")
DEEDS = [deed + tail for deed in _DEEDS for tail in _TAILS]
REPLIES = (
    '"Thank you, {S}," said {O}.',
    '"Thank you, {S}!" {O} said.',
    "{O} was very happy.",
    "{O} hugged {S}.",
    '"Here you are, {O}," said {S}.',
    '"Hello, {O}!" said {S}. "Hello, {S}!" said {O}.',
    "{O} smiled at {S}.",
    "{S} was {adjective} and {O} was {adjective} too.",
    "{O} thanked {S:him} and {S:he} smiled.",
    "{S} was happy to see {O}.",
)

KINDS = (
    "Once upon a time, there was a {S:girl} named {S}.",
    "There was a {S:girl} named {S}.",
    "One day, a {S:girl} named {S} went to the {place}.",
    "{S} was a {adjective} {S:girl}.",
    "{S} was a {S:girl} who lived near the {place}.",
    "A {S:girl} called {S} had {a_object}.",
    "In the {place} there was a {S:girl}. {S:His} name was {S}.",
    "{S} is a {S:girl}.",
)
KINDS = tuple(kind.replace("{S:His} name was {S}", "The {S:girl} was named {S}") for kind in KINDS)
CLAUSES = (
    ", who was {adjective},",
    ", who lived near the {place},",
    ", who had played at the {place} all day,",
    ", with {a_adjective} {object},",
    ", who liked the {object},",
    ", in the {place},",
    ", who was very tired and {adjective},",
    ", whom the dog saw,",
    ", who saw {a_object} and {a_other},",
    ", before the sun came up,",
)
PRONOUN_DEEDS = (
    "smiled because {S:he} saw {a_object}.",
    "sat down, and then {S:he} held {a_object}.",
    "stood up. Then {S:he} ran to the {place}.",
    "was late. Now {S:he} had to run.",
    "cried because {S:he} was not {adjective}.",
    "took off {S:his} shoes.",
    "lost {S:his} way.",
    "put the {object} in {S:his} bag.",
    "broke {S:his} {object}.",
    "fell on {S:his} back.",
    "looked for {S:his} mom.",
    "called {S:his} friend.",
    "told Mom that {S:he} wanted {a_object}.",
    "stopped when {S:he} saw the {other}.",
    "was happy because {S:he} had {a_object}.",
    "went to the {place}, and {S:he} was {adjective}.",
    "lost {S:his} {object}.",
    "played with {S:his} {object} in the {place}.",
    "loved {S:his} mom and {S:his} dad.",
    "said that {S:he} was {adjective}.",
    "hurt {S:self} at the {place}.",
    "looked at {S:self} and smiled.",
    "went home with {S:his} {object}.",
    "wanted to play, but {S:he} could not find {S:his} {object}.",
    "saw {a_object}. {S:He} liked it.",
    "liked to play. {S:He} was {adjective}.",
    "had {a_adjective} {object}. {S:He} loved it very much.",
    "ran to the {place}. {S:He} saw {a_object} there.",
    "was {adjective}. {S:He} wanted {a_object}.",
    "found {a_object} near the {place}. {S:He} took it home.",
    "waited by the {place} until {S:his} mom came to get {S:him}.",
    "saw the {object} that the dog had, and {S:he} laughed.",
    "heard a bird in the {place}. The bird was {adjective}. {S:He} smiled.",
    "sat under the tree. It was {a_adjective} tree. {S:He} was {adjective}.",
    "lived in {a_adjective} house by the {place}. {S:He} had {a_object}.",
    "held {a_object} and {a_other}. Then {S:he} went to bed.",
    "liked {S:his} {object}. Mom gave {S:him} {a_other} too.",
    "took {S:his} {object} to the {place} and showed it to {S:his} friends.",
    "went outside. The sun was bright. {S:He} was {adjective}.",
    "washed {S:his} hands. {S:He} dried {S:self} with {a_object}.",
    "could not sleep. {S:His} mom sang to {S:him}.".replace("{S:His}", "So {S:his}"),
)
