"""Rating sheets tell nothing of what they ask about."""

import csv
import io

import pytest

from tests.interpretation.ratings.sheets import key_items, write


def test_a_sheet_tells_nothing_of_methods(tmp_path, records):
    sheet, key = write(tmp_path, records)
    shown = sheet.read_text(encoding="utf-8")
    assert not any(word in shown for word in ("sparse", "principal", "duplicate", "check"))
    items = key_items(key)
    kinds = [item["kind"] for item in items.values()]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    assert counts == {"feature": 12, "duplicate": 2, "one token": 2, "no pattern": 2}
    lines = list(csv.DictReader(io.StringIO(shown, newline="")))
    assert sorted(line["item"] for line in lines) == sorted(items)
    # Neither numbers nor order follow the features.
    features = [items[line["item"]]["feature"] or 0 for line in lines]
    assert features != sorted(features)


def test_windows_are_marked_where_the_feature_fires(tmp_path, records):
    sheet, key = write(tmp_path, records, n_windows=5)
    items = key_items(key)
    for line in csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8"), newline="")):
        item = items[line["item"]]
        windows = line["windows"].split("\n")
        assert len(windows) <= 5
        if item["kind"] in ("feature", "duplicate"):
            word = records[1][item["feature"]]
            assert all(f"<<{word}" in window for window in windows)
        if item["kind"] == "no pattern":
            assert len({window.split("<<")[1].split()[0] for window in windows}) > 1


def test_raters_get_the_same_items_in_another_order(tmp_path, records):
    first, key = write(tmp_path, records, "anna")
    content = key.read_bytes()
    second, _ = write(tmp_path, records, "ben")
    assert key.read_bytes() == content
    items = [
        [line["item"] for line in csv.DictReader(path.open(newline=""))] for path in (first, second)
    ]
    assert items[0] != items[1]
    assert sorted(items[0]) == sorted(items[1])
    with pytest.raises(FileExistsError, match="key of other items"):
        write(tmp_path, records, "carl", random_state=1)


def test_wrong_arguments_are_refused(tmp_path, records):
    with pytest.raises(ValueError, match="name of one person"):
        write(tmp_path, records, " ")
    with pytest.raises(ValueError, match="duplicates=2"):
        write(tmp_path, records, duplicates=2)
    with pytest.raises(TypeError, match="records is list"):
        write(tmp_path, ([], records[1]))
    with pytest.raises(ValueError, match="records hold no features"):
        write(tmp_path, ({"sparse": []}, records[1]))
    with pytest.raises(ValueError, match="n_checks=0"):
        write(tmp_path, ({"sparse": records[0]["sparse"][:2]}, records[1]))
