"""Rating sheets, written and filled in."""

import csv
import io
import json

from skdict.interpretation.ratings import write_rating_sheet

N_FEATURES = 12


def write(folder, records, rater="anna", **options):
    records, words = records
    paths = folder / f"{rater}.csv", folder / "key.json"
    write_rating_sheet(paths[0], records, vocabulary=words, rater=rater, key=paths[1], **options)
    return paths


def fill(path, rating_of, **columns):
    """Fill a sheet in: ratings by item, other columns as given."""
    lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    for line in lines:
        line["rating"] = rating_of(line["item"])
        line.update(columns)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, lines[0])
    writer.writeheader()
    writer.writerows(lines)
    path.write_text(out.getvalue(), encoding="utf-8")
    return lines


def key_items(path):
    return json.loads(path.read_text())["items"]
