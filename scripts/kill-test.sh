#!/usr/bin/env bash
# Kills a replay with SIGKILL at random moments, many times in a row, then lets it finish: the digest must be that of
# an undisturbed run, and the store must verify.
#
# usage: scripts/kill-test.sh [KILLS] [SESSIONS]     (defaults: 20 kills, 300,000 sessions, about 1.2 GB of log)
# BACKSTITCH names the binary (default: target/release/backstitch); the files lie under TMPDIR and go afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

kills=${1:-20}
sessions=${2:-300000}
backstitch=${BACKSTITCH:-target/release/backstitch}
[ -x "$backstitch" ] || { echo "no binary at $backstitch: cargo build --release" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

digest() { sed -n 's/.*"digest":"\([0-9a-f]\{32\}\)".*/\1/p'; }
now() { date +%s%3N; }

"$backstitch" generate --sessions "$sessions" --seed 7 > "$folder/log.ndjson"
start=$(now)
expected=$("$backstitch" replay "$folder/log.ndjson" --store "$folder/undisturbed.store" --json 2> /dev/null | digest)
span=$(($(now) - start))
[ -n "$expected" ] || { echo "the undisturbed run gave no digest" >&2; exit 1; }
rm -rf "$folder/undisturbed.store"
echo "undisturbed: $expected in $span ms"

killed=0
through=0
while [ "$killed" -lt "$kills" ]; do
    "$backstitch" replay "$folder/log.ndjson" --store "$folder/killed.store" --json > /dev/null 2>&1 &
    victim=$!
    # RANDOM has 15 bits; two of them reach a minute and more.
    moment=$(((RANDOM * 32768 + RANDOM) % span))
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    if kill -KILL "$victim" 2> /dev/null; then
        killed=$((killed + 1))
        echo "kill $killed after $moment ms"
        wait "$victim" 2> /dev/null || true
    elif wait "$victim"; then
        through=$((through + 1))
        echo "came through before $moment ms: on to a new store"
        rm -rf "$folder/killed.store"
    else
        echo "a replay failed by itself" >&2
        exit 1
    fi
done
found=$("$backstitch" replay "$folder/log.ndjson" --store "$folder/killed.store" --json 2> /dev/null | digest)
"$backstitch" verify --store "$folder/killed.store" > /dev/null
if [ "$found" != "$expected" ]; then
    echo "after $killed kills: $found, expected $expected" >&2
    exit 1
fi
echo "after $killed kills ($through runs came through): $found, as undisturbed"
