"""What people filled in comes back checked, and says which feature each rating is of."""

import csv
import io

import numpy as np
import pytest

from skdict.interpretation.ratings import read_ratings, write_rating_sheet
from tests.interpretation.ratings.sheets import N_FEATURES, fill, key_items, write


def test_what_was_filled_in_comes_back(tmp_path, records):
    planned = {}
    for shift, rater in enumerate(("anna", "ben")):
        path, key = write(tmp_path, records, rater)
        items = key_items(key)
        planned[rater] = {
            item: {"one token": 3, "no pattern": 0}.get(
                known["kind"], ((known["feature"] or 0) + shift) % 4
            )
            for item, known in items.items()
        }
        fill(path, planned[rater].get, confidence=2, seconds=1.5, label="a word")
    ratings = read_ratings([tmp_path / "ben.csv", tmp_path / "anna.csv"], key)
    assert ratings.raters == ["anna", "ben"]
    assert ratings.features == [("principal", j) for j in range(6, 12)] + [
        ("sparse", j) for j in range(6)
    ]
    expected = [[(j + shift) % 4 for _, j in ratings.features] for shift in (0, 1)]
    np.testing.assert_array_equal(ratings.matrix(), expected)
    first, second = ratings.repeated()
    assert len(first) == 4
    np.testing.assert_array_equal(first, second)
    assert ratings.failed_checks() == {"anna": 0, "ben": 0}
    assert ratings.records[0]["seconds"] == 1.5
    assert ratings.records[0]["label"] == "a word"


def test_inattentive_people_are_noticed(tmp_path, records):
    path, key = write(tmp_path, records)
    fill(path, lambda item: 3)
    assert read_ratings(path, key).failed_checks() == {"anna": 2}
    fill(path, lambda item: 0)
    assert read_ratings(path, key).failed_checks() == {"anna": 2}


def test_a_spreadsheet_may_have_saved_it(tmp_path, records):
    path, key = write(tmp_path, records)
    fill(path, lambda item: 1, seconds="2,5")
    lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows([line[:3] + line[4:] for line in lines])
    path.write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode())
    ratings = read_ratings(path, key)
    assert (ratings.matrix() == 1).all()
    assert ratings.records[0]["seconds"] == 2.5


def test_unblinding_waits_for_everyone(tmp_path, records):
    path, key = write(tmp_path, records)
    fill(path, lambda item: 1)
    with pytest.raises(ValueError, match="no sheet of ben"):
        read_ratings(path, key, raters=["anna", "ben"])


def test_missing_ratings_must_be_allowed(tmp_path, records):
    path, key = write(tmp_path, records)
    known = key_items(key)
    fill(path, lambda item: "" if known[item]["feature"] == 3 else 2)
    with pytest.raises(ValueError, match="no rating for"):
        read_ratings(path, key)
    matrix = read_ratings(path, key, allow_missing=True).matrix()
    assert matrix.shape == (1, N_FEATURES - 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rating": "4"}, "rating is '4'; fill in 0, 1, 2, 3"),
        ({"rating": "2.0"}, "rating is '2.0'"),
        ({"confidence": "high"}, "confidence is 'high'"),
        ({"seconds": "-1"}, "seconds is '-1'"),
        ({"sheet": "s0"}, "sheet 's0' does not belong to this key"),
        ({"item": "i0"}, "item 'i0' is not in the key"),
        ({"rater": ""}, "the rater is missing"),
    ],
)
def test_wrong_lines_are_named(tmp_path, records, change, message):
    path, key = write(tmp_path, records)
    fill(path, lambda item: 1)
    lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    lines[1].update(change)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, lines[0])
    writer.writeheader()
    writer.writerows(lines)
    path.write_text(out.getvalue(), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        read_ratings(path, key)
    assert "line" in str(caught.value)


def test_wrong_files_are_refused(tmp_path, records):
    path, key = write(tmp_path, records)
    fill(path, lambda item: 1)
    with pytest.raises(ValueError, match="not a key of a rating sheet"):
        read_ratings(path, path)
    with pytest.raises(ValueError, match="has no column 'sheet'"):
        read_ratings(key, key)
    with pytest.raises(ValueError, match="both of 'anna'"):
        read_ratings([path, path], key)
    (tmp_path / "latin.csv").write_bytes("sheet,rater,item,rating\ns,Zoë,i,1".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        read_ratings(tmp_path / "latin.csv", key)
    (tmp_path / "empty.csv").write_text("sheet,rater,item,rating\n")
    with pytest.raises(ValueError, match="has no items"):
        read_ratings(tmp_path / "empty.csv", key)


def test_words_of_people_are_no_formulas(tmp_path, records):
    rater = '=HYPERLINK("http://x")'
    sheet, key = tmp_path / "sheet.csv", tmp_path / "key.json"
    found, words = records
    write_rating_sheet(sheet, found, vocabulary=words, rater=rater, key=key)
    lines = fill(sheet, lambda item: "2", label="'@SUM(1)")
    assert {line["rater"] for line in lines} == {"'" + rater}
    for line in lines:
        assert not [cell for cell in line.values() if cell[:1] in "=+-@\t\r" and cell]
    found = read_ratings(sheet, key)
    assert found.raters == [rater]
    assert {record["label"] for record in found.records} == {"@SUM(1)"}
