"""The logs of the comparison: the one that `backstitch generate` writes, and what else logs look like.

usage: logs.py FOLDER NAME BACKSTITCH SESSIONS

Each is made once, beside the first, and keeps the events: only their spelling, their order or their number differs. It is a program of its
own because memory that the comparison itself has taken would count as that of what it runs.
"""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

SEED = 20_261_101
PAYLOAD_BYTES = 2_000  # of a nested payload a line
PAYLOAD_LINES = 4  # of so many lines one is kept, so that the log is not five times as large
SHAPES = 60  # of line, in turn
URL_BYTES = 300
LATE_SHARE, LATE_LINES = 0.2, 200_000  # of the lines, and how far behind they come
REPEATED_SHARE = 0.3


def spelled(change):
    """A log whose lines are those of the first, each changed by `change(number, activity)`."""

    def make(base, path):
        with open(base, encoding="utf-8") as lines, open(path, "w", encoding="utf-8") as out:
            for number, line in enumerate(lines):
                changed = change(number, json.loads(line))
                if changed is not None:
                    out.write(changed if isinstance(changed, str) else json.dumps(changed, separators=(",", ":")))
                    out.write("\n")

    return make


def other_keys(_, activity):
    return dict(reversed(activity.items()))


def escapes(_, activity):
    activity["metadata"]["title"] = "Caf\u00e9 \"Zum L\u00f6wen\"\n\\ Men\u00fc"
    return json.dumps(activity, separators=(",", ":")).replace("/", "\\/")


def payload(number, activity):
    if number % PAYLOAD_LINES:
        return None
    items = [{"sku": f"p{number + at}", "price": at + 0.5, "tags": ["a", "b"], "in": {"stock": True}} for at in range(30)]
    activity["payload"] = {"cart": items, "note": "x" * max(0, PAYLOAD_BYTES - 65 * len(items))}
    return activity


def shapes(number, activity):
    for at in range(number % SHAPES):
        activity["metadata"][f"field{at}"] = at
    return activity


def urls(number, activity):
    tail = "&".join(f"utm_{at}=campaign-{number * 7919 % 10_007 + at}" for at in range(20))
    activity["metadata"]["url"] = f"https://shop.example{activity['metadata'].get('page', '/')}?{tail}"[:URL_BYTES]
    return activity


def ordered(order):
    """A log of the same lines in another order: `order(lines, random)` returns them."""

    def make(base, path):
        with open(base, "rb") as file:
            lines = file.readlines()
        with open(path, "wb") as out:
            out.writelines(order(lines, random.Random(SEED)))

    return make


def backwards(lines, _):
    return reversed(lines)


def shuffled(lines, chance):
    chance.shuffle(lines)
    return lines


def late(lines, chance):
    places = [at + LATE_LINES if chance.random() < LATE_SHARE else at for at in range(len(lines))]
    return [lines[at] for at in sorted(range(len(lines)), key=places.__getitem__)]


def repeated(lines, chance):
    for line in lines:
        yield line
        if chance.random() < REPEATED_SHARE:
            yield line


def part(wanted):
    """Those of the lines that are `wanted(number, of how many)`, which need not fit into memory."""

    def make(base, path):
        with open(base, "rb") as lines:
            count = sum(1 for _ in lines)
        with open(base, "rb") as lines, open(path, "wb") as out:
            out.writelines(line for number, line in enumerate(lines) if wanted(number, count))

    return make


def gzipped(base, path):
    with open(base, "rb") as plain, gzip.open(path, "wb", compresslevel=6) as packed:
        while piece := plain.read(1 << 20):
            packed.write(piece)


def zstandard(base, path):
    subprocess.run(["zstd", "-q", "-f", "-3", base, "-o", path], check=True)


LOGS = {
    "plain": None,
    "other-keys": spelled(other_keys),
    "escapes": spelled(escapes),
    "payload": spelled(payload),
    "shapes": spelled(shapes),
    "urls": spelled(urls),
    "gzip": gzipped,
    "zstd": zstandard,
    "reverse": ordered(backwards),
    "late": ordered(late),
    "shuffled": ordered(shuffled),
    "repeats": ordered(repeated),
}

# Parts of the first: what was replayed before a night, what comes in it, and an event more.
PARTS = {
    "first": part(lambda number, count: number < count * 99 // 100),
    "rest": part(lambda number, count: number >= count * 99 // 100),
    "one": part(lambda number, count: number == count - 1),
}

ENDINGS = {"gzip": ".gz", "zstd": ".zst"}


def path_of(folder, name):
    return folder / f"{name}.ndjson{ENDINGS.get(name, '')}"


def make(folder, name, backstitch, sessions):
    path = path_of(folder, name)
    if path.exists():
        return
    half = path.with_name(f"half.{path.name}")
    if name == "plain":
        options = ["--sessions", sessions, "--no-repeats", "--quiet", "--output", str(half)]
        subprocess.run([backstitch, "generate", *options], check=True)
    else:
        make(folder, "plain", backstitch, sessions)
        {**LOGS, **PARTS}[name](path_of(folder, "plain"), half)
    half.rename(path)


if __name__ == "__main__":
    make(Path(sys.argv[1]), *sys.argv[2:])
