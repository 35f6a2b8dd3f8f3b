//! Help by example: a few lines under each command's help, all of which work as they stand.

pub const ALL: &str = "\
Examples:
  backstitch generate --sessions 10000 > shop.ndjson   a log to try things out with
  backstitch replay shop.ndjson                        link its sessions
  backstitch sessions --csv | head                     see who they are
  backstitch resolve 0017ff40-9e02-4cf7-8436-98633d01ff9d

Exit codes: 0 done, 1 failed, 2 wrong usage,
            3 done, but some lines were rejected and --strict was given";

pub const REPLAY: &str = "\
A log holds JSON objects, one a line, in arrays or over several lines. What was
replayed before is not read again, unless it grew: then only the new part is. Ctrl-C
stops at a commit, and the same command goes on from there.

Lines of another shape are read by a configuration, ./backstitch.toml or --config:
  unique = \"customerNumber\"     # false for none; default ecommerceId
  between = [\"email\"]           # also: junk = [\"n/k\"], builtin_junk = false
  [fields]                      # paths: a dot steps into an object, \\. is a dot
  timestamp = \"sentAt\"          # also: id, identities, unit, wrapper
  [fields.namespaces]           # single fields that are identities
  sessionId = \"anonymousId\"
  customerNumber = \"userId\"

Examples:
  backstitch replay events.ndjson.gz             one file
  backstitch replay logs/ 'archive/2026-*.zst'   a folder, and what a pattern finds
  zcat part-*.gz | backstitch replay -           standard input
  backstitch replay logs/ --rejects bad.ndjson --strict
  backstitch replay logs/ --between email,deviceid --store people.store
  backstitch replay logs/ --config segment.toml";

pub const RESOLVE: &str = "\
Examples:
  backstitch resolve f49c75a2-6994-41e2-875d-97ec4d19254b
  backstitch resolve ecommerceId:18278 email:ann@example.com
  backstitch resolve --namespace sessionId 'a:b'   a value with a colon in it
  cut -f1 ids.tsv | backstitch resolve - --json    many at once, an object a line
  backstitch resolve f49c75a2-6994-41e2-875d-97ec4d19254b --as-of 2026-11-01T10:00:00Z
  backstitch resolve f49c75a2-6994-41e2-875d-97ec4d19254b --known-at 2026-11-01T10:00:00Z";

pub const EXPLAIN: &str = "\
The shortest chain of evidence comes first: pairs of identities that were seen in one
event, when, how often, and the event that shows it. A link between two customers is
refused; what stood in its way is told.

Examples:
  backstitch explain f49c75a2-6994-41e2-875d-97ec4d19254b
  backstitch explain ecommerceId:18278 email:ann@example.com    one person, or not?
  backstitch explain ecommerceId:18278 --format svg -o ann.svg
  backstitch explain ecommerceId:18278 --format html -o ann.html    a page, with a timeline
  backstitch explain ecommerceId:18278 --format dot | dot -Tpdf > ann.pdf
  backstitch explain ecommerceId:18278 --json | jq .chain";

pub const EVENTS: &str = "\
Examples:
  backstitch events ecommerceId:18278          before the login and after it
  backstitch events f49c75a2-6994-41e2-875d-97ec4d19254b
  backstitch events ecommerceId:18278 --json | jq -r .time
  backstitch events ecommerceId:18278 --csv --output 18278.csv
  backstitch events ecommerceId:18278 --policy device-split --lookback 30d";

pub const PROFILE: &str = "\
Segments and traits are facts of events, so a person's follow from the events that belong
to the person. Without --rule, the latest value of each counts.

Examples:
  backstitch profile ecommerceId:18278
  backstitch profile f49c75a2-6994-41e2-875d-97ec4d19254b --as-of 2026-11-01T10:00:00Z
  backstitch profile ecommerceId:18278 --rule source=first --segments-rule union
  backstitch profile ecommerceId:18278 --json | jq .traits.age.value";

pub const PROFILES: &str = "\
A row for each person of whom any event tells segments or traits, in the order of
identities. In CSV the two are JSON.

Examples:
  backstitch profiles > profiles.ndjson
  backstitch profiles --csv --output profiles.csv
  backstitch profiles --policy device-split --rule visits=most-frequent";

pub const SHOW: &str = "\
A store keeps no lines: the sources that delivered the event are read again, up to the
first line that is it. Of a compressed log, the place is that in its content.

Examples:
  backstitch show 9ef98053855cf4ea419fbe22718fee23        by the hash that explain tells
  backstitch show order-1001 --json | jq -r .text         by its id
  backstitch show order-1001 archive/2026-11-02.ndjson.gz a file that was moved
  zcat part-*.gz | backstitch show order-1001 -           a stream, given again";

pub const SESSIONS: &str = "\
On a terminal a table; in a pipe or a file a JSON object a line, as with --json, or
CSV. Sorted by session.

Examples:
  backstitch sessions
  backstitch sessions | jq -r .customer
  backstitch sessions --customer 18278         the sessions of one customer
  backstitch sessions --csv --output sessions.csv
  backstitch sessions --policy strict          shared sessions are anonymous";

pub const ATTRIBUTE: &str = "\
Writes the line of every event, in the log's order, with \"person\" and
\"attribution\" (direct, retroactive, carried or anonymous) added. Replay the log
first: the people come from the store. With --as-of, events after that moment are
written too, by what is known from the events up to it.

Examples:
  backstitch attribute events.ndjson > people.ndjson
  backstitch attribute logs/ --output people.ndjson
  backstitch attribute events.ndjson.gz --csv | grep retroactive
  backstitch attribute logs/ --policy last-login --as-of 2026-11-01T00:00:00Z";

pub const STATS: &str = "\
Examples:
  backstitch stats
  backstitch stats --json | jq .digest         equal facts, equal digest
  backstitch stats --store people.store
  backstitch stats --policy device-split       how its events would be shared out
  backstitch stats --shared                    the devices that several customers use";

pub const CHANGES: &str = "\
One JSON object a line and a session whose row in `sessions` a commit changed: its new
row (events, since, to), whose it was before (from; null where it is new; to is null
where it is gone), how many stored events moved, and the link and event that did it.
Keep the sequence of the last record you applied: each comes exactly once.

Examples:
  backstitch changes                        all that are kept
  backstitch changes --since 4171           what came after the last one you applied
  backstitch changes --since 4171 --follow  and what comes, as it comes
  backstitch changes --apply sessions.csv --csv    every night: the table as of now
  backstitch changes --trim 4171            forget them up to there";

pub const COMMITS: &str = "\
Each commit with its moment, how many changes it wrote to the feed, and the last one.
`resolve --known-at` takes any of the three. Commit 1 made the store, and is left out.

Examples:
  backstitch commits
  backstitch commits --json | tail -1
  backstitch resolve f49c75a2-6994-41e2-875d-97ec4d19254b --known-at commit:7";

pub const UNLINK: &str = "\
The pair counts as never seen together, also in events to come. Events that carry both
stay with their customer. Nothing is lost: --revert brings everything back.

Examples:
  backstitch unlink f49c75a2-6994-41e2-875d-97ec4d19254b 18278
  backstitch unlink email:info@shop.example 18278      a bad address
  backstitch unlink f49c75a2-6994-41e2-875d-97ec4d19254b 18278 --revert";

pub const RETRACT: &str = "\
The store then answers as one that never saw it. An event that another source delivered
too stays. A source comes back when it is replayed again, an event by replay --force.

Examples:
  backstitch retract --source logs/2026-11-02.ndjson.gz
  backstitch retract --event 00000000-0000-4000-8000-000000000001";

pub const FORGET: &str = "\
Events that carry any of them go, with all that follows from these events, and no file of
the store contains the values any more. Tombstones keep them from coming back with a
replay; --revert lifts those. Logs and backups are not touched.

Examples:
  backstitch forget ecommerceId:18278 email:ann@example.com
  backstitch forget ecommerceId:18278 --whole-person    with all sessions of the person
  backstitch forget ecommerceId:18278 --dry-run         what would go
  backstitch forget --file erased.txt --whole-person    a thousand cost as one
  backstitch forget f49c75a2-6994-41e2-875d-97ec4d19254b --until 2026-11-01T00:00:00Z
  backstitch forget --list";

pub const OPT_OUT: &str = "\
From now on no event is taken in that carries the identity, or any that its person has
at this moment; `replay` counts them as suppressed. What is stored stays: `retract` and
`forget` take it away.

Examples:
  backstitch opt-out f49c75a2-6994-41e2-875d-97ec4d19254b
  backstitch opt-out ecommerceId:18278
  backstitch opt-out --list";

pub const OPT_IN: &str = "\
Every opt-out that the identity was part of is taken back, for all its identities. Events
that were suppressed come back by `replay --force`.

Examples:
  backstitch opt-in ecommerceId:18278";
pub const DUPLICATES: &str = "\
Two customers that share an identity were not merged: they may be one person whose account
was created again, or a household. Those come first whose identity the fewest share. One
that many share, such as a kiosk, says little, and is only counted.

Examples:
  backstitch duplicates
  backstitch duplicates --namespace email --limit 1000
  backstitch duplicates --json | jq -r '.customers|@csv'   to be looked through, then: rename --file";

pub const RELATED: &str = "\
Examples:
  backstitch related ecommerceId:18278
  backstitch related f49c75a2-6994-41e2-875d-97ec4d19254b --json";

pub const RENAME: &str = "\
For a customer that the shop created again, or merged. The store then answers as one
whose logs have the other value. What was written stays, so --revert brings it back.

Examples:
  backstitch rename 18278 20551
  backstitch rename 18278 20551 --dry-run      how many events and sessions it is about
  backstitch rename --file merged.csv          OLD,NEW a line
  backstitch rename --revert 18278
  backstitch rename --list";

pub const QUARANTINE: &str = "\
For a value such as guest-checkout that ties thousands together. The store then answers
as one whose logs do not have it. What was written stays: release brings it back.

Examples:
  backstitch quarantine ecommerceId:guest-checkout
  backstitch quarantine email:info@shop.example deviceId:kiosk-3
  backstitch quarantine --list                 also what is over the limits and counts
  backstitch quarantine --on --customers 50    by itself: who meets more customers than that
  backstitch quarantine --off";

pub const RELEASE: &str = "\
Examples:
  backstitch release ecommerceId:guest-checkout";

pub const DIFF: &str = "\
Examples:
  backstitch diff --policy first-login --policy device-split
  backstitch diff --policy first-login --policy strict --lookback 30d
  backstitch diff --policy first-login --policy last-login --csv --output moved.csv";

pub const VERIFY: &str = "\
Reads every block, reduces the links again from the events, works the people out by
a minimum spanning forest, and compares. Exit code 1 when anything differs.

Examples:
  backstitch verify
  backstitch verify --json | jq .differences
  backstitch verify --repair                   rebuild from what is sound";

pub const BACKUP: &str = "\
The copy is a store in an epoch of its own: a consumer of the change feed of one
needs a new export to follow the other.

Examples:
  backstitch backup backups/2026-11-02.store
  backstitch backup /mnt/disk/people.store --store people.store";

pub const EXPORT_FACTS: &str = "\
Events, sources with their positions, and unlinked pairs. A store that is made from them
has the same digest. The change feed and what was known earlier are not exported.

Examples:
  backstitch export-facts --output people.facts.ndjson
  backstitch export-facts | zstd > people.facts.ndjson.zst";

pub const IMPORT_FACTS: &str = "\
What the store knows already is not counted twice, so an import that was cut short is
begun again with the same command.

Examples:
  backstitch import-facts people.facts.ndjson --store people.store
  zstdcat people.facts.ndjson.zst | backstitch import-facts - --store people.store";

pub const GENERATE: &str = "\
Examples:
  backstitch generate --sessions 10000 > shop.ndjson
  backstitch generate --sessions 300000 --no-repeats --output shop.ndjson
  backstitch generate --sessions 1000 | backstitch replay -";

#[cfg(feature = "serve")]
pub const SERVE: &str = "\
Examples:
  uuidgen > keys
  backstitch serve --keys keys --log activities.log --store people.store
  backstitch serve --keys keys --listen 0.0.0.0:8080 --token-file tokens";

pub const COMPLETIONS: &str = "\
Examples:
  backstitch completions bash > ~/.local/share/bash-completion/completions/backstitch
  backstitch completions zsh > ~/.zfunc/_backstitch
  backstitch completions fish > ~/.config/fish/completions/backstitch.fish";
