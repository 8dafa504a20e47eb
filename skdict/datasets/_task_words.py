"""Words for the task generators, none of which occurs in the bundled model's generated text.

The training script excludes these names everywhere, and its generated sentences use other
places, objects, nouns and templates.
"""

GIRLS = """
    Ruth Anne Helen Julia Laura Martha Nina Olivia Sofia Wendy Iris Barbara Caroline
    Catherine Charlotte Diana Dorothy Eleanor Elizabeth Elsa Bridget Florence Gloria Heidi
    Isabella Jessica Josephine Margaret Megan Naomi Natalie Patricia Rebecca Samantha
    Scarlett Theresa Veronica Victoria Vivian Yolanda
""".split()
BOYS = """
    Adam Carl Eric Luke Noah Oscar Sean Victor Andrew Hugo Felix Owen Aaron Albert Arthur
    Benjamin Caleb Christopher Diego Dylan Edward Ethan Gabriel Harold Isaac Joshua Julian
    Kevin Lucas Marcus Nathaniel Omar Philip Richard Robert Sebastian Stephen Vincent Walter
    William
""".split()

# Children in the training stories of the bundled model, whose names alone determine the pronoun.
KNOWN_GIRLS = "Lily Sue Lucy Mia Amy Jane Sally Sarah Daisy Anna Mary Emma".split()
KNOWN_BOYS = "Tim Timmy Tom Jack John Joe Bob Ben Billy Andy Tommy Peter".split()

PLACES = "museum bakery castle village hospital station office harbor island restaurant".split()
OBJECTS = "drum ring pencil ticket coin ribbon map crown candle whistle".split()

NOUNS = [
    (noun, noun + "s")
    for noun in """
    lion tiger monkey turtle squirrel goat owl robot king queen doctor teacher farmer pirate
    lamp wagon pot bell drum crown pencil candle ladder bridge
    """.split()
]
