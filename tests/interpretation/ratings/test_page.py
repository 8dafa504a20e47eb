"""A rating sheet as a page: filled in with a browser, read by the importer."""

import time

import numpy as np
import pytest

from skdict.inspection import collect_records
from skdict.interpretation.ratings import read_ratings, write_rating_sheet
from skdict.interpretation.ratings._page import page_content
from tests.inspection.report.browser import open_browser, requested, settled
from tests.inspection.report.planted_pages import VOCABULARY, page_data, planted


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rating")
    dictionary, acts = planted()
    records = {"sae": collect_records(np.asarray(dictionary.transform(acts)), acts, window=20)}
    options = {"vocabulary": VOCABULARY, "n_checks": 1, "duplicates": 0.2, "n_windows": 4}
    names = {"key": folder / "key.json", "page": folder / "a.html"}
    write_rating_sheet(folder / "a.csv", records, rater="Anna B", **names, **options)
    return folder


def test_the_page_is_blind(sheet):
    text = (sheet / "a.html").read_text(encoding="utf-8")
    assert "sae" not in text and '"feature' not in text
    assert "<script>window" not in text
    items = page_data(sheet / "a.html")["items"]
    assert len(items) == 6 + 1 + 2
    assert all(item.keys() == {"item", "windows"} for item in items)


def test_what_is_filled_in_comes_back(sheet):
    webdriver = pytest.importorskip("selenium.webdriver")
    browser = open_browser(sheet)
    try:
        browser.get((sheet / "a.html").as_uri())
        press = lambda *keys: webdriver.ActionChains(browser).send_keys(*keys).perform()  # noqa: E731
        one = lambda css: browser.find_element("css selector", css)  # noqa: E731
        n_items = len(browser.find_elements("css selector", "#items li"))
        given = []
        for i in range(n_items):
            assert one("#detail h2").text == f"Item {i + 1} of {n_items}"
            assert one("mark").is_displayed()
            given.append(i % 4)
            press(str(i % 4))
            if i == 0:
                press("/", 'a "pattern", or =two', "\ue00c")
                browser.execute_script("document.querySelector('#confidence input').click()")
            press("j")
            settled(browser)
        assert one("#progress").text == f"{n_items} of {n_items} rated"
        # What was filled in outlives the page.
        browser.get("about:blank")
        browser.get((sheet / "a.html").as_uri())
        assert one("#label").get_attribute("value") == 'a "pattern", or =two'
        one("#save").click()
        saved = sheet / "ratings-Anna_B.csv"
        deadline = time.monotonic() + 5
        while not saved.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert browser.execute_script("return window.planted") is None
        asked = {a for a in requested(browser) if not a.startswith(("data:", "blob:"))}
        assert asked == {(sheet / "a.html").as_uri()}
    finally:
        browser.quit()
    order = [item["item"] for item in page_data(sheet / "a.html")["items"]]
    ratings = read_ratings(saved, sheet / "key.json", raters=["Anna B"])
    found = {record["item"]: record for record in ratings.records}
    assert [found[item]["rating"] for item in order] == given
    first = found[order[0]]
    assert (first["label"], first["confidence"]) == ('a "pattern", or =two', 1)
    assert all(0 <= record["seconds"] < 60 for record in ratings.records)
    assert found[order[1]]["label"] is None
    assert all(0 <= record["feature"] < 6 for record in ratings.records if record["method"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sheet,rater,item\n1,a,2\n", "has no column 'windows'"),
        (b"sheet,rater,item,windows\n", "has no items"),
        (b"sheet,rater,item,windows\n1,a,2,x\n1,b,3,y\n", "mixes several raters"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_other_files_are_refused(content, message, tmp_path):
    (tmp_path / "sheet.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        page_content(tmp_path / "sheet.csv")


def test_a_page_that_cannot_be_written_is_refused_first(tmp_path):
    dictionary, acts = planted()
    records = {"sae": collect_records(np.asarray(dictionary.transform(acts)), acts, window=20)}
    options = {"vocabulary": VOCABULARY, "rater": "Anna", "key": tmp_path / "key.json"}
    with pytest.raises(ValueError, match="page="):
        write_rating_sheet(tmp_path / "a.csv", records, page=tmp_path, **options)
    assert list(tmp_path.iterdir()) == []
