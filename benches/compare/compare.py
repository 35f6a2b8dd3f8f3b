#!/usr/bin/env python3
"""Replays the same logs with backstitch and with what users run today, in turn, and prints who took how long.

    benches/compare/compare.py                         all rows, 3.5 million events; some 20 GB of disk, and half an hour
    benches/compare/compare.py --sessions 30000        the same in small
    benches/compare/compare.py plain shuffled          some rows
    benches/compare/compare.py --without-rivals plain  backstitch alone; needs nothing from PyPI
    benches/compare/compare.py --without-rivals --sessions 3000000 night    what follows on a replay of 35 million events; 30 GB of disk

Needs Python 3.10, Rust, and for `zstd` the command of that name. The rivals come from PyPI into the working folder. Times are compared only
where the counts agree; a row in which they do not is an error. Whole processes, medians of the rounds, page cache warm.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import logs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ATTRIBUTION = ("direct", "retroactive", "carried", "anonymous")
COUNTS = (*ATTRIBUTION, "linked_sessions", "customers")


class Contestant:
    """A program that replays a log: `command(log, out)` is its command line."""

    def __init__(self, name, command, counts=json.loads):
        self.name, self.command, self.counts = name, command, counts


def counts_of_backstitch(text):
    summary = json.loads(text)
    return {**summary["attribution"], **{name: summary[name] for name in ("linked_sessions", "customers")}}


def run(contestant, log, out):
    """Runs a program once: seconds of wall time and of processor time, peak memory and what it left on the disk in MB, counts."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(contestant.command(log, out), stdout=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().decode().strip().splitlines()
    if process.returncode:
        sys.exit(f"{contestant.name} ended with {process.returncode} on {log}")
    counts = contestant.counts(lines[-1] if lines else "{}")
    figures = (wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, size_of(out) / 1e6)
    return figures, {name: counts.get(name, 0) for name in COUNTS}


def clear(out):
    shutil.rmtree(out, ignore_errors=True)
    out.unlink(missing_ok=True)


def size_of(out):
    files = [out] if out.is_file() else out.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def medians_of(rows):
    return [statistics.median(column) for column in zip(*rows)]


def in_turn(contestants, log, out, rounds):
    """The medians of each program, all of which must count the same."""
    subprocess.run(["cat", log], stdout=subprocess.DEVNULL, check=True)
    figures = {contestant.name: [] for contestant in contestants}
    expected = None
    for turn in range(rounds):
        for contestant in contestants if turn % 2 == 0 else reversed(contestants):
            clear(out)
            measured, counts = run(contestant, log, out)
            expected = expected or counts
            if counts != expected:
                sys.exit(f"{contestant.name} counts {counts} in {log}, where another counts {expected}")
            figures[contestant.name].append(measured)
    clear(out)
    medians = {name: medians_of(rows) for name, rows in figures.items()}
    return medians, sum(expected[kind] for kind in ATTRIBUTION)


def log_of(folder, name, backstitch, sessions):
    """The path of a log, made where it is not there."""
    subprocess.run([sys.executable, HERE / "logs.py", folder, name, backstitch, str(sessions)], check=True)
    return logs.path_of(folder, name)


def environment(folder):
    """A Python with the rivals in it."""
    python = folder / "python" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt"]
        subprocess.run(install, check=True)
    return python


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    described = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT, check=True, capture_output=True
    )
    return Path(json.loads(described.stdout)["target_directory"]) / "release" / "backstitch"


def build_sled_keys():
    command = ["cargo", "bench", "-p", "backstitch-benches", "--bench", "sled_keys", "--no-run", "--message-format=json"]
    built = subprocess.run([*command, "--quiet"], cwd=ROOT, check=True, capture_output=True, text=True)
    made = [json.loads(line) for line in built.stdout.splitlines()]
    return next(line["executable"] for line in made if line.get("executable") and line["target"]["name"] == "sled_keys")


def machine():
    cpus = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{os.cpu_count()} × {cpus[0] if cpus else platform.processor()}, {platform.system()} {platform.release()}"


def tell(row, medians, events, baseline=None):
    """One line for each program: against it, how many times as fast backstitch is."""
    own = baseline or medians["backstitch"]
    for name, (wall, processor, memory, disk) in medians.items():
        ratio = "" if name == "backstitch" and not baseline else f"{wall / own[0]:.2f}"
        cells = [row, name, f"{events:,}", f"{wall:.2f}", f"{processor:.2f}", f"{memory:.0f}", f"{disk:.0f}", ratio]
        print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which logs; all of {', '.join(logs.LOGS)}, night, others")
    parser.add_argument("--sessions", type=int, default=300_000, help="of the log; each has about twelve events")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where logs and rivals are kept for the next time")
    parser.add_argument("--backstitch", type=Path, help="the program, instead of one that is built")
    parser.add_argument("--without-rivals", action="store_true")
    asked = parser.parse_args()
    unknown = set(asked.rows) - {*logs.LOGS, "night", "others"}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(logs.LOGS)}, night, others")
    with tempfile.TemporaryDirectory() as passing:
        compare(asked, (asked.folder or Path(passing)).resolve())


def compare(asked, folder):
    folder.mkdir(parents=True, exist_ok=True)
    backstitch, threads = (asked.backstitch or build()).resolve(), str(asked.threads)
    replay = lambda *more: lambda log, out: [
        *[backstitch, "replay", log, "--store", out, "--threads", threads, "--json", "--quiet"],
        *more,
    ]
    own = Contestant("backstitch", replay(), counts_of_backstitch)
    # The rivals keep neither segments nor traits.
    bare = Contestant("backstitch --no-profiles", replay("--no-profiles"), counts_of_backstitch)
    python = None if asked.without_rivals else environment(folder)
    rival = lambda script, *more: lambda log, out: [python, HERE / script, log, out, threads, *more]
    duckdb = Contestant("DuckDB", rival("duckdb_replay.py"))
    distinct = Contestant("DuckDB, repeats dropped", rival("duckdb_replay.py", "distinct"))
    print(f"{machine()}; {threads} threads, {asked.rounds} rounds\n")
    print("| log | program | events | wall, s | processor, s | peak, MiB | on disk, MB | times the wall time of backstitch |")
    print("|---|---|---|---|---|---|---|---|")
    plain = None
    for row in asked.rows or [*logs.LOGS, "night", "others"]:
        if row == "others":
            others(asked, folder, own, rival)
            continue
        if row == "night":
            night(asked, folder, backstitch)
            continue
        log, out = log_of(folder, row, backstitch, asked.sessions), folder / "out"
        # zstd and orders are no matter to the rival, or it cannot tell repeats.
        rivals = {"plain": [duckdb, distinct], "repeats": [distinct]}.get(row, [duckdb])
        contestants = [own, bare] if row == "plain" else [own]
        contestants += [] if asked.without_rivals else rivals
        medians, events = in_turn(contestants, log, out, asked.rounds)
        plain = plain or (medians["backstitch"] if row == "plain" else None)
        tell(row, medians, events)
        if plain and row in ("reverse", "late", "shuffled", "repeats"):
            print(f"| {row} | against plain | | | | | | {medians['backstitch'][0] / plain[0]:.2f} |", flush=True)


def once(name, command, store):
    """The figures of one run on a store of which nothing waits to be written to the disk."""
    os.sync()
    return run(Contestant(name, lambda _, out: [*command, "--store", out], lambda _: {}), "", store)[0]


def night(asked, folder, backstitch):
    """What follows on a replay of all but the last hundredth of a log: that hundredth, one more event, a few questions. Whole processes
    again; the ratio is to that replay."""
    threads = str(asked.threads)
    first, rest, one = (log_of(folder, part, backstitch, asked.sessions) for part in logs.PARTS)
    with open(first, encoding="utf-8") as lines:
        session = json.loads(next(lines))["user"]["identities"]["sessionId"]
        most = 1 + sum(1 for _ in lines)
    before, store = folder / "before", folder / "out"
    clear(before)
    replay = ["replay", "--threads", threads, "--quiet"]
    replays = {"the first 99 %": first, "the last 1 %": rest, "one more event": one}
    questions = {
        "resolve": ["resolve", session],
        "explain": ["explain", session],
        "events": ["events", session],
        "stats": ["stats"],
        "a question that loads everything": ["duplicates", "--limit", "1", "--quiet"],
    }
    baseline = None
    for name, log in replays.items():
        figures = []
        for _ in range(asked.rounds):
            clear(store)
            if before.exists():
                shutil.copytree(before, store)
            figures.append(once(name, [backstitch, *replay, log], store))
        medians = medians_of(figures)
        if not before.exists():
            store.rename(before)
            baseline = medians
        tell("night", {name: medians}, most, baseline)
    for name, question in questions.items():
        figures = [once(name, [backstitch, *question], before) for _ in range(asked.rounds)]
        tell("night", {name: medians_of(figures)}, most, baseline)
    clear(before)
    clear(store)


def others(asked, folder, own, rival):
    """Programs that take many times as long as the others: on the plain log alone."""
    log = log_of(folder, "plain", own.command("", "")[0], asked.sessions)
    contestants = [own]
    if not asked.without_rivals:
        sled_keys = build_sled_keys()
        contestants += [
            Contestant("polars and scipy", rival("polars_scipy.py")),
            Contestant("two passes in Python", rival("plain_dict.py")),
            Contestant("a key in sled for each identity", lambda log, out: [sled_keys, log, out]),
        ]
    tell("others", *in_turn(contestants, log, folder / "out", asked.rounds))


if __name__ == "__main__":
    main()
