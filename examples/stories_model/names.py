"""First names for the generated sentences, and a generator of made-up names.

The rule "name the other person" is learned as a rule only from many names; a hundred are simply
memorised. The names of the task generators in `skdict.datasets` are not included.
"""

from skdict.datasets import _task_words

GIRLS = """
    Lily Sue Mia Lucy Anna Sara Jane Sally Sarah Amy Molly Daisy Mary Emma Jenny Grace Ella
    Zoe Kate Rose Alice Beth Clara Emily Eva Hannah Jill Karen Kim Linda Lisa Maria Nancy
    Nora Pam Rachel Sandra Susan Tina Laurie Ivy Ada Abigail Agnes Aisha Alexandra Alicia
    Alina Allison Alma Amanda Amber Amelia Amina Angela Angelica Anita Annabel Annette Annie
    Antonia April Ariel Arlene Astrid Audrey Aurora Ava Beatrice Becky Bella Bernice Bertha
    Bessie Betsy Betty Bianca Bonnie Brenda Briana Brooke Camila Candice Carla Carmen Carol
    Carrie Cassie Cathy Cecilia Celia Celine Chelsea Cheryl Chloe Christina Cindy Claire
    Clarissa Claudia Clementine Colleen Connie Constance Cora Coral Cynthia Dana Daphne
    Darla Dawn Deborah Delia Della Denise Dina Dolly Dolores Donna Dora Doreen Doris Edith
    Eileen Elaine Elena Elise Eliza Ellen Ellie Elsie Emilia Erica Erin Esme Estelle Esther
    Ethel Eunice Evelyn Faith Fatima Fay Felicity Fiona Flora Frances Freda Freya Gabby Gail
    Gemma Georgia Geraldine Gertrude Gina Ginny Gladys Greta Gwen Hailey Harriet Hattie
    Hazel Heather Helena Henrietta Hilda Holly Hope Ida Imogen Ines Ingrid Irene Isabel Isla
    Jackie Jacqueline Jade Jasmine Jean Jemima Jennifer Jessie Joan Joanna Jocelyn Joy Joyce
    Juanita Judith Judy Julie Juliet June Kara Katie Kathleen Katrina Kayla Keira Kelly
    Kirsten Kitty Kristen Lara Layla Leah Leila Lena Lenora Leona Leticia Libby Lila Lillian
    Lola Lorna Lorraine Lottie Louisa Louise Lucia Lucinda Lydia Lynn Mabel Mabelle Maddie
    Madeline Maggie Maisie Mandy Margot Marianne Marina Marjorie Marlene Marsha Matilda
    Maureen Maya Melanie Melissa Mercy Meredith Michelle Mildred Millie Mimi Minnie Mira
    Miranda Miriam Mona Monica Muriel Myra Nadia Natasha Nell Nellie Nicole Nita Noelle
    Norma Octavia Odette Olga Olive Ophelia Paige Pamela Pansy Patty Paula Pauline Pearl
    Peggy Penelope Penny Petra Phoebe Phyllis Pippa Polly Poppy Priscilla Priya Quinn Ramona
    Regina Rhoda Rita Roberta Robyn Rosa Rosalie Rosemary Rosie Roxanne Ruby Sabrina Sadie
    Sasha Selena Selma Serena Shannon Sharon Sheila Shelly Shirley Sierra Simone Sonia
    Sophia Sophie Stacy Stella Stephanie Suki Summer Susie Suzanne Sybil Sylvia Tabitha
    Tamara Tanya Tara Tatiana Teresa Tess Tessa Thelma Tilly Toni Tracy Trudy Una Ursula
    Valerie Vanessa Vera Verity Vicky Viola Violet Virginia Wanda Whitney Willa Wilma Winnie
    Yasmin Yvette Yvonne Zara Zelda Zita Zora
""".split()
BOYS = """
    Tim Tom Ben Sam Max Jack Timmy John Bob Joe Billy Andy Jake Leo Nick Paul Peter Alex
    Bill Chris Dan David Finn Fred George Greg Harry Henry Jim Ken Liam Mark Matt Mike
    Oliver Ray Rob Robin Ron Simon Steve Ted Tony Will Tommy Bobby Johnny Jimmy Danny
    Charlie Abel Abraham Adrian Ahmed Alan Aldo Alec Alfie Alfred Ali Allen Alvin Ambrose
    Amir Amos Angus Anthony Anton Archie Arjun Arnold Asher Augustus Barnaby Barney Barry
    Bart Basil Benedict Bernard Bert Boris Brad Bradley Brandon Brendan Brent Brian Bruce
    Bruno Bryce Byron Calvin Cameron Carlos Cecil Cedric Chad Charles Chester Christian
    Clarence Clark Claude Clay Clayton Clifford Clint Clive Clyde Cody Colin Conrad Cooper
    Corey Craig Curtis Cyril Dale Damian Daniel Darren Dave Dean Declan Dennis Derek Desmond
    Dexter Dominic Donald Doug Douglas Duncan Dustin Dwight Earl Eddie Edgar Edmund Edwin
    Eli Elijah Elliot Ellis Elmer Emil Emmett Enzo Ernest Ernie Eugene Evan Ezra Fabian
    Felipe Ferdinand Fergus Fernando Floyd Francis Frank Frankie Franklin Freddie Frederick
    Gareth Garrett Gary Gavin Gene Geoffrey Gerald Gerard Gideon Gilbert Giles Glen Gordon
    Graham Grant Gus Gustav Guy Hal Hamish Hank Hans Harrison Harvey Hassan Hector Herbert
    Herman Horace Howard Hubert Hugh Humphrey Ian Ibrahim Igor Ike Imran Ira Irving Isaiah
    Ivan Ivor Jackson Jacob Jaden James Jamie Jared Jarvis Jason Jasper Javier Jay Jed Jeff
    Jeffrey Jeremiah Jeremy Jerome Jerry Jesse Joel Jonah Jonas Jonathan Jordan Jorge Jose
    Joseph Josh Juan Jude Julius Justin Kai Karl Keith Kelvin Kenneth Kieran Kirk Kofi Kurt
    Kyle Lance Lars Laurence Lawrence Lee Leon Leonard Leroy Leslie Lester Levi Lewis
    Lincoln Lionel Lloyd Logan Lorenzo Louis Lucian Luis Luther Magnus Malcolm Marco Mario
    Marshall Martin Marvin Mason Mateo Matthew Maurice Mauricio Maxwell Melvin Merlin
    Michael Miguel Miles Milo Milton Mitchell Mohammed Morris Moses Murray Nate Nathan Ned
    Neil Nelson Neville Nicholas Niels Nigel Nolan Norman Orlando Orville Oswald Otis Otto
    Pablo Patrick Pedro Percy Perry Pierre Preston Quentin Ralph Ramon Randall Randy Raphael
    Raymond Reggie Reginald Reuben Rex Ricardo Rick Ricky Riley Roberto Roderick Rodney
    Roger Roland Roman Romeo Ronald Rory Ross Roy Rudy Rufus Rupert Russell Ryan Samuel Saul
    Scott Seth Shane Shaun Sidney Silas Solomon Spencer Stan Stanley Stefan Stewart Stuart
    Sven Sylvester Tariq Taylor Terence Terry Theodore Thomas Toby Todd Travis Trevor
    Tristan Troy Tyler Ulysses Uri Vernon Vince Virgil Vlad Wade Wallace Wally Warren Wayne
    Wesley Wilbur Wilfred Winston Wyatt Xavier Yusuf Zachary Zack Zane Zeke
""".split()
# Names that become one token, and names replaced in real stories (words without other meanings).
COMMON = GIRLS[:60] + BOYS[:60]
RENAMED = """
Lily Sue Mia Lucy Anna Sara Jane Sally Sarah Amy Molly Mary Emma Jenny Ella Jill Lila Polly
Lisa Susie Bella Kate Alice Emily Rachel Tina Chloe Cindy Sophie Zara Tim Tom Ben Timmy John Bob
Joe Billy Andy Jake Leo Peter Fred George Henry Jim Tommy Bobby Jimmy Danny Charlie James Toby
Jerry Frank Jack Paul
""".split()

HELD_OUT = {*_task_words.GIRLS, *_task_words.BOYS}
STARTS = "B Br C Ch D Dr F Fl G Gr H J K Kr L M N P Pl Qu R S Sh Sk Sl St T Th Tr V W Y Z".split()
MIDDLES = "a e i o u ee oo ai ou a e i o u".split()
JOINS = "b d f g k l m n p r s t v z bb ll mm nd ng nn rr rt st th tt lb rk sk mp".split()
# Words that begin sentences mislead the model most as the first token of a name.
WORDS = "And The So In He It At Is On As We To But She They Sam Max Tim Ad Car Her Be An No".split()
ENDS = ["", "", "", "", "n", "l", "s", "k", "x", "r", "m", "b", "t", "sh", "ck", "ndo", "lly"]


def made_up_name(rng):
    """Return a name made of syllables or spliced from two, and not used by the tasks."""
    name = _spliced_name(rng) if rng.random() < 0.5 else _name_of_syllables(rng)
    return made_up_name(rng) if name in HELD_OUT else name


def _name_of_syllables(rng):
    name = rng.choice(STARTS) + rng.choice(MIDDLES)
    for _ in range(rng.choice((1, 1, 2))):
        name += rng.choice(JOINS) + rng.choice(MIDDLES)
    return name + rng.choice(ENDS)


def _spliced_name(rng):
    """Return the beginning of a name or a word with the end of another name.

    The beginning then does not determine the end, which has to be looked up in the text.
    """
    start, end = rng.choice(GIRLS + BOYS), rng.choice(GIRLS + BOYS)
    if rng.random() < 0.3:
        return rng.choice(WORDS) + end[rng.randint(1, max(1, len(end) - 2)) :]
    return start[: rng.randint(2, max(2, len(start) - 1))] + end[-rng.randint(1, 4) :].lower()


def pick_name(rng, kind):
    """Return a common, listed or made-up name for "girl" or "boy", in near equal shares."""
    listed = GIRLS if kind == "girl" else BOYS
    draw = rng.random()
    if draw < 0.3:
        return rng.choice(listed[:60])
    return rng.choice(listed) if draw < 0.62 else made_up_name(rng)
