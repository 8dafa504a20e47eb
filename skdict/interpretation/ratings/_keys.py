"""Key of rating sheets: the feature behind each item, which raters must not see."""

import hashlib
import json

from skdict._files import parse_json

KEY_FORMAT = "skdict rating key 1"
OF_FEATURE, CHECK = (str, int), (type(None), type(None))
# Types of method and feature for each kind of item.
KINDS = {"feature": OF_FEATURE, "duplicate": OF_FEATURE, "one token": CHECK, "no pattern": CHECK}
MOST_BYTES = 32 * 2**20


def key_content(items):
    """Return a key as JSON bytes, independent of the order of the items."""
    listed = {
        i.item: {"kind": i.kind, "method": i.method, "feature": i.feature}
        for i in sorted(items, key=lambda i: i.item)
    }
    return json.dumps({"format": KEY_FORMAT, "items": listed}, indent=1).encode()


def parse_key(key, content):
    """Return the items of a key file, or raise ValueError if `content` is not a valid key."""
    advice = "pass the key file written with the sheets"
    try:
        found = parse_json(content, "it")
    except ValueError as error:
        raise ValueError(
            f"{str(key)!r} is not a key of a rating sheet ({error}); {advice}"
        ) from error
    items = found.get("items")
    is_key = set(found) == {"format", "items"} and found["format"] == KEY_FORMAT
    if not is_key or not isinstance(items, dict) or not all(map(_is_item, items.values())):
        raise ValueError(f"{str(key)!r} is not a key of a rating sheet; {advice}")
    return items


def _is_item(item):
    return (
        isinstance(item, dict)
        and set(item) == {"kind", "method", "feature"}
        and str(item["kind"]) in KINDS
        and (type(item["method"]), type(item["feature"])) == KINDS[item["kind"]]
    )


def sheet_number(content):
    """Return the identifier of the sheets that belong to a key."""
    # A leading letter keeps spreadsheets from parsing the identifier as a number.
    return "s" + hashlib.sha256(content).hexdigest()[:15]
