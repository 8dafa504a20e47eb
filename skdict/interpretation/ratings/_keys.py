"""The key of rating sheets: which item is which feature, kept from the people who rate."""

import hashlib
import json

from skdict._files import parse_json

KEY_FORMAT = "skdict rating key 1"
OF_FEATURE, CHECK = (str, int), (type(None), type(None))
# Types of method and feature for each kind of item.
KINDS = {"feature": OF_FEATURE, "duplicate": OF_FEATURE, "one token": CHECK, "no pattern": CHECK}
MOST_BYTES = 32 * 2**20


def key_content(items):
    """Return a key as bytes of JSON, the same for items in any order."""
    listed = {
        i.item: {"kind": i.kind, "method": i.method, "feature": i.feature}
        for i in sorted(items, key=lambda i: i.item)
    }
    return json.dumps({"format": KEY_FORMAT, "items": listed}, indent=1).encode()


def parse_key(key, content):
    """Return what each item is, from the content of the key file `key`, or refuse it."""
    advice = "pass the one written with it"
    try:
        found = parse_json(content, "it")
    except ValueError as error:
        raise ValueError(f"{str(key)!r} is no key of a rating sheet ({error}); {advice}") from error
    items = found.get("items")
    is_key = set(found) == {"format", "items"} and found["format"] == KEY_FORMAT
    if not is_key or not isinstance(items, dict) or not all(map(_is_item, items.values())):
        raise ValueError(f"{str(key)!r} is no key of a rating sheet; {advice}")
    return items


def _is_item(item):
    return (
        isinstance(item, dict)
        and set(item) == {"kind", "method", "feature"}
        and str(item["kind"]) in KINDS
        and (type(item["method"]), type(item["feature"])) == KINDS[item["kind"]]
    )


def sheet_number(content):
    """Return the number of the sheets that belong to a key."""
    # Letters first: a spreadsheet must not read numbers.
    return "s" + hashlib.sha256(content).hexdigest()[:15]
