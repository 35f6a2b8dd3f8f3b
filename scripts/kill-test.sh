#!/usr/bin/env bash
# Kills a replay with SIGKILL at random moments, many times in a row, then lets it finish: the digest must be that of
# an undisturbed run, the store must verify, and what was committed must never be lost.
#
# usage: scripts/kill-test.sh [KILLS] [SESSIONS]     (defaults: 20 kills, 300,000 sessions, about 1.2 GB of log)
# BACKSTITCH names the binary; without it a release is built. The files lie under TMPDIR and go afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

kills=${1:-20}
sessions=${2:-300000}
# A commit holds at least a file: with many files there are many commits to be caught between.
files=$((kills * 4))
if [ -z "${BACKSTITCH:-}" ]; then
    cargo build --release --quiet
    BACKSTITCH=target/release/backstitch
fi
[ -x "$BACKSTITCH" ] || { echo "no binary at $BACKSTITCH" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
store=$folder/killed.store

digest() { sed -n 's/.*"digest":"\([0-9a-f]\{32\}\)".*/\1/p'; }
now() { date +%s%3N; }
replay() { "$BACKSTITCH" replay "$folder/log" --batch-events 1 --json "$@" 2> /dev/null; }
# Lines that the store says it has read; 0 while there is none.
lines_read() {
    if [ -e "$store/backstitch" ]; then
        # A store that cannot be opened is what this looks for: it ends the script.
        "$BACKSTITCH" stats --store "$store" --json > "$folder/stats.json"
        { grep -o '"lines":[0-9]*' "$folder/stats.json" || true; } | awk -F: '{ sum += $2 } END { print sum + 0 }'
    else
        echo 0
    fi
}

mkdir "$folder/log"
"$BACKSTITCH" generate --sessions "$sessions" --seed 7 --output "$folder/all.ndjson"
split --number="l/$files" --numeric-suffixes --suffix-length=4 "$folder/all.ndjson" "$folder/log/part-"
total=$(wc -l < "$folder/all.ndjson")
rm "$folder/all.ndjson"
start=$(now)
expected=$(replay --store "$folder/undisturbed.store" | digest)
span=$(($(now) - start))
[ -n "$expected" ] || { echo "the undisturbed run gave no digest" >&2; exit 1; }
rm -rf "$folder/undisturbed.store"
echo "undisturbed: $expected, $total lines in $span ms"

inside=0
early=0
through=0
before=0
while [ "$inside" -lt "$kills" ]; do
    [ $((early + through)) -lt $((kills * 20)) ] || { echo "kills miss: take more sessions" >&2; exit 2; }
    # Not through the function: the shell between would be killed, and the replay go on.
    "$BACKSTITCH" replay "$folder/log" --batch-events 1 --store "$store" > /dev/null 2>&1 &
    victim=$!
    # Each kill gets a share of the way, so that the next still has some to go. RANDOM has 15 bits; two of them reach a minute and more.
    moment=$(((RANDOM * 32768 + RANDOM) % (span * 2 / kills + span / 10 + 1)))
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    kill -KILL "$victim" 2> /dev/null || true
    wait "$victim" 2> /dev/null || true
    after=$(lines_read)
    if [ "$after" -lt "$before" ]; then
        echo "lines were lost: $before were read before the kill, $after after it" >&2
        exit 1
    elif [ "$after" -eq "$total" ]; then
        through=$((through + 1))
        rm -rf "$store"
        after=0
    elif [ "$after" -eq "$before" ]; then
        early=$((early + 1))
    else
        inside=$((inside + 1))
        echo "kill $inside after $moment ms: $after of $total lines are read"
    fi
    before=$after
done
found=$(replay --store "$store" | digest)
"$BACKSTITCH" verify --store "$store" > /dev/null
if [ "$found" != "$expected" ]; then
    echo "after $kills kills: $found, expected $expected" >&2
    exit 1
fi
echo "after $kills kills between commits ($early came before the first, $through after the last): $found, as undisturbed"
