"""Random damage to files that are read, and what a reader makes of it."""

import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
from collections import Counter
from contextlib import contextmanager

MOST_SECONDS, MOST_BYTES = 20, 2**30
HOSTILE = (
    *(None, True, False, 0, -1, 1, 2.5, 2**31, 2**63, 2**70, -(2**40), 1e300, "", "false", "1"),
    *("../../etc/passwd", "\x00", "\udce2", "x" * 5000, [], {}, [[]], {"a": {}}, [None], [1e9]),
    float("nan"),
    float("-inf"),
)
CODE = {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"}
_ran = []


class HangError(BaseException):
    """A reader took too long."""


def damage_bytes(content, chance):
    """Return content with a flipped bit, swapped, lost or added bytes, or cut off."""
    if not content:
        return b"\xff"
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.choice((1, 2, 8, 60, 500)))
    rest = content[start + 1 :]
    return chance.choice(
        (
            lambda: content[:start] + bytes([content[start] ^ 1 << chance.randrange(8)]) + rest,
            lambda: content[:start],
            lambda: content[:start] + content[end:],
            lambda: content[:start] + content[start:end] + content[start:],
            lambda: content[:start] + b"\xff" * (end - start) + content[end:],
            lambda: content[:start] + bytes(end - start) + content[end:],
            lambda: content[:start] + content[start:end][::-1] + content[end:],
            lambda: content + content[start:end],
            lambda: b"[" * 100_000,
            lambda: b"",
        )
    )()


def damage_json(content, chance):
    """Return JSON text with another value, name or order somewhere, or a name twice."""
    value = json.loads(content)
    places = list(_places(value))
    parent, key = chance.choice(places)
    kind = chance.randrange(8)
    if kind < 4:
        parent[key] = chance.choice(HOSTILE)
    elif kind == 4:
        del parent[key]
    elif kind == 5 and isinstance(parent, list):
        parent.reverse()
    elif kind == 5:
        parent[key + "_more"] = parent[key]
    elif kind == 6:
        deep = chance.choice((40, 400))
        parent[key] = json.loads("[" * deep + "]" * deep)
    text = json.dumps(value)
    if kind == 7:
        name = json.dumps(key) + ":" if isinstance(parent, dict) else '"format":'
        text = text.replace("{", "{" + name + " 3, " + name + " 4, ", 1)
    return text


def damage_header(content, chance):
    """Return a safetensors file with another header, or an npy file with other numbers in its."""
    if content[:6] == b"\x93NUMPY":
        end = content.index(b"\n")
        head = content[:end]
        number = str(chance.choice((0, 1, 2**31, 2**62, 2**64, 10**18))).encode()
        place = chance.choice([i for i in range(10, end) if head[i : i + 1].isdigit()])
        return head[:place] + number + head[place + 1 :] + content[end:]
    (length,) = struct.unpack("<Q", content[:8])
    header = damage_json(content[8 : 8 + length], chance).encode()
    if chance.random() < 0.1:
        return struct.pack("<Q", chance.choice((0, 2**20, 2**40, 2**63))) + content[8:]
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def _places(value):
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def mutate(path, chance):
    """Damage a file in place, and return the name of the kind of damage."""
    content = path.read_bytes()
    if chance.random() < 0.04:
        path.unlink()
        return chance.choice((_leave_out, _pipe, _device, _folder))(path)
    if path.suffix == ".json" and chance.random() < 0.7:
        try:
            path.write_text(damage_json(content, chance), errors="surrogateescape")
            return "json"
        except (TypeError, AttributeError):
            pass
    if path.suffix in (".npy", ".safetensors") and chance.random() < 0.4:
        path.write_bytes(damage_header(content, chance))
        return "header"
    path.write_bytes(damage_bytes(content, chance))
    return "bytes"


def _leave_out(path):
    return "missing"


def _pipe(path):
    os.mkfifo(path)
    return "pipe"


def _device(path):
    path.symlink_to("/dev/zero")
    return "device"


def _folder(path):
    path.mkdir()
    return "folder"


def campaign(reader, folder, n_mutations, seed):
    """Damage the files of a reader again and again.

    Parameters
    ----------
    reader : Reader
        Writes its files into a folder and reads them from there.
    folder : path
        Where to.
    n_mutations : int
        How often.
    seed : int
        Of what is damaged, and how.

    Returns
    -------
    counts : Counter
        Of "refused", "same", "different", and names of raw errors.
    examples : list of str
        Of all but the first two.
    """
    chance = random.Random(seed)
    whole = folder / "whole"
    whole.mkdir(parents=True)
    reader.write(whole)
    work = _fresh(whole, folder)
    due = reader.read(work)
    counts, examples = Counter(), []
    for _ in range(n_mutations):
        work = _fresh(whole, folder)
        path = work / chance.choice(reader.files)
        kind = mutate(path, chance) if reader.damage is None else reader.damage(work, chance)
        if reader.forge is not None and kind == "json" and chance.random() < 0.3:
            kind = reader.forge(path) or kind
        outcome, told = _outcome(reader, work, due, kind)
        counts[outcome] += 1
        if outcome not in ("refused", "same", "accepted"):
            examples.append(f"{reader.name}, {path.name}, {kind}: {outcome}: {told:.300}")
    return counts, examples


def _fresh(whole, folder):
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(whole, work)
    return work


def _outcome(reader, work, due, kind):
    del _ran[:]
    try:
        with _bounds():
            found = reader.read(work)
    except (ValueError, OSError) as error:
        raw = isinstance(error, UnicodeError) or type(error).__name__ == "JSONDecodeError"
        if raw or str(work) not in str(error):
            return f"unclear {type(error).__name__}", str(error)
        return "refused", ""
    except (Exception, HangError) as error:
        return f"raw {type(error).__name__}", str(error)
    if _ran:
        return "code run", str(_ran)
    if found == due:
        return "same", ""
    # Nothing in a file without a hash, or under one made anew, tells other content from damage.
    return ("accepted", "") if kind == "forged" or not reader.has_hash else ("different", "")


@contextmanager
def _bounds():
    """Bound seconds, and memory to 1 GB more than there is."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, _hang)
    signal.alarm(MOST_SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def _hang(number, frame):
    raise HangError(f"more than {MOST_SECONDS} s")


def _watch(event, arguments):
    if event in CODE:
        _ran.append(event)


sys.addaudithook(_watch)
