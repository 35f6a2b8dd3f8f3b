//! The one place that knows how the engine is called; all other tests speak to it in the oracle's words.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use backstitch::model::policy::{self};
use backstitch::store::backend::Backend;
use backstitch::store::block_kinds;
use backstitch::store::fault::Survivors;
use backstitch::store::sled::SledBackend;
use backstitch::{
    Attribute, ECOMMERCE, Engine, ErrorKind, Fields, Forget, Identity, Lookback, Options, Replay, Retract, Sequence,
    Settings, Summary, Time, View, When,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::oracle::{Answer, Belief, Id, KINDS, Reading, Rules, SessionRow, Verdict, rfc3339};

/// How a replay is run, where the answer must not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub threads: usize,
    /// Events a batch: tiny, so that a small log has many commits.
    pub batch_events: usize,
    pub force: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { threads: 2, batch_events: 1_000_000, force: false }
    }
}

/// How a store is made by these rules, or opened that was.
pub fn options(rules: &Rules) -> Options {
    let options = Engine::options().between(&rules.between).builtin_junk(rules.builtin_junk).junk(&rules.extra_junk);
    if rules.unique { options.unique(ECOMMERCE) } else { options.no_unique() }
}

pub fn in_memory(rules: &Rules) -> Engine {
    options(rules).in_memory().expect("levels that a store can have")
}

/// Where an activity has everything, whatever its time.
pub fn of_all_times() -> Fields {
    Fields::default().not_before(Time::from_micros(i64::MIN)).not_after(Time::from_micros(i64::MAX))
}

pub fn replay(engine: &mut Engine, files: &[PathBuf], manner: Manner) -> Summary {
    let job = Replay::of(files)
        .fields(of_all_times())
        .force(manner.force)
        .threads(manner.threads)
        .batch_events(manner.batch_events);
    let summary = engine.replay(job).expect("the log is readable");
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    summary
}

/// A new store in memory that has read one log.
pub fn replayed(rules: &Rules, text: &str) -> Engine {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log.ndjson");
    fs::write(&file, text).expect("written");
    let mut engine = in_memory(rules);
    replay(&mut engine, &[file], Manner::default());
    engine
}

/// Read, accepted, duplicate, rejected.
pub fn counts(summary: &Summary) -> [u64; 4] {
    let events = &summary.events;
    [events.read, events.accepted, events.duplicate, events.rejected]
}

/// Rejects by reason, where there were any.
pub fn reasons(summary: &Summary) -> BTreeMap<&'static str, u64> {
    summary.rejects.iter().filter(|(_, count)| **count > 0).map(|(reason, count)| (*reason, *count)).collect()
}

/// Junk by value. The engine also counts, in parentheses, what it ignores for another reason.
pub fn junk(summary: &Summary) -> BTreeMap<String, u64> {
    let counts = summary.junk.iter().map(|(word, count)| (word.replace("(blank)", ""), count));
    let kinds = ["(list)", "(object)", "(boolean)"];
    counts.filter(|(word, _)| !word.starts_with('(') || kinds.contains(&word.as_str())).collect()
}

/// The last commit, read in some way.
pub fn under(engine: &Engine, reading: Reading) -> View {
    engine.resolver().view().under(in_its_words(reading))
}

/// A reading in the engine's words; a policy by the word for it.
fn in_its_words(Reading { policy, lookback, as_of }: Reading) -> policy::Reading {
    policy::Reading {
        policy: policy.word().parse().expect("a policy"),
        lookback: lookback.map(|micros| Lookback::from_micros(micros).expect("more than nothing")),
        as_of: as_of.map(Time::from_micros),
    }
}

/// The lines of `diff --json`.
pub fn diff(engine: &Engine, a: Reading, b: Reading) -> Vec<Value> {
    rows(engine.resolver().view().diff(in_its_words(a), in_its_words(b)).expect("a sound store"))
}

/// The lines of `stats --shared --json`.
pub fn shared(view: &View) -> Vec<Value> {
    rows(view.shared().expect("a sound store"))
}

/// The figures of a whole store, in one list: attribution by kind, sessions, customers, linked, shared; and the digest.
pub fn totals(engine: &Engine) -> ([u64; 8], String) {
    totals_in(&engine.resolver().view())
}

pub fn totals_in(view: &View) -> ([u64; 8], String) {
    let totals = view.totals().expect("a sound store");
    let kinds = &totals.attribution;
    (
        [
            kinds.direct,
            kinds.retroactive,
            kinds.carried,
            kinds.anonymous,
            totals.sessions,
            totals.customers,
            totals.linked_sessions,
            totals.shared_sessions,
        ],
        totals.digest.to_string(),
    )
}

/// The same of the oracle.
pub fn expected_totals(belief: &Belief) -> ([u64; 8], String) {
    let [direct, retroactive, carried, anonymous] = belief.attribution;
    (
        [
            direct,
            retroactive,
            carried,
            anonymous,
            belief.sessions,
            belief.customers,
            belief.linked_sessions,
            belief.shared_sessions,
        ],
        belief.digest.clone(),
    )
}

/// What `resolve --json` prints, `null` for an identity that was never met.
pub fn resolve(engine: &Engine, namespace: &str, value: &str) -> Value {
    resolve_in(&engine.resolver().view(), namespace, value)
}

pub fn resolve_in(view: &View, namespace: &str, value: &str) -> Value {
    serde_json::to_value(view.resolve_in(namespace, value).expect("a sound store")).expect("serialisable")
}

/// What it should print.
pub fn expected_resolve(id: &Id, answer: &Answer) -> Value {
    let printed = id.to_string();
    let (namespace, _) = printed.split_once(':').expect("namespace:value");
    let customer = answer.person.is_customer();
    json!({
        "identity": {"namespace": namespace, "value": id.value},
        "person": answer.person.to_string(),
        "kind": if customer { "customer" } else { "anonymous" },
        "customer": customer.then_some(&answer.person.value),
        "since": answer.since.map(rfc3339),
        "group": answer.group.iter().map(Id::to_string).collect::<Vec<_>>(),
    })
}

/// The lines of `sessions --json`.
pub fn sessions(engine: &Engine) -> Vec<Value> {
    sessions_in(&engine.resolver().view())
}

pub fn sessions_in(view: &View) -> Vec<Value> {
    rows(view.sessions().expect("a sound store"))
}

fn rows<R: Serialize>(rows: Vec<R>) -> Vec<Value> {
    rows.into_iter().map(|row| serde_json::to_value(row).expect("serialisable")).collect()
}

pub fn expected_sessions(belief: &Belief) -> Vec<Value> {
    let row = |row: &SessionRow| {
        json!({
            "session": row.session, "person": row.person, "since": row.since, "events": row.events,
            "customer": row.customer, "kind": if row.customer.is_some() { "customer" } else { "anonymous" },
            "first": row.first, "last": row.last,
        })
    };
    belief.rows.iter().map(row).collect()
}

/// The part of a row of `sessions` that a change of the feed holds: the rest follows from it or, as the times of the first and the
/// last event, only changes with the count of events.
pub fn of_the_feed(row: &Value) -> Value {
    json!({"session": row["session"], "person": row["person"], "since": row["since"], "events": row["events"]})
}

/// The same, as a line.
pub fn line_of_the_feed(row: &Value) -> String {
    let [session, person, since, events] = ["session", "person", "since", "events"].map(|name| &row[name]);
    format!(r#"{{"session":{session},"person":{person},"since":{since},"events":{events}}}"#) + "\n"
}

/// A row a person, as `View::people` gives them.
pub fn people_in(view: &View) -> Vec<Value> {
    rows(view.people().expect("a sound store"))
}

pub fn expected_people(belief: &Belief) -> Vec<Value> {
    let mut people: BTreeMap<&Id, [u64; 3]> = BTreeMap::new();
    for (id, answer) in &belief.identities {
        let [sessions, identities, _] = people.entry(&answer.person).or_default();
        *sessions += u64::from(id.is_session());
        *identities += 1;
    }
    for (person, _) in belief.events.values() {
        // What a lookback leaves with an anchor of somebody belongs to no one.
        if let Some([_, _, events]) = people.get_mut(person) {
            *events += 1;
        }
    }
    let row = |(person, [sessions, identities, events]): (&Id, [u64; 3])| {
        let kind = if person.is_customer() { "customer" } else { "anonymous" };
        json!({"person": person.to_string(), "kind": kind, "sessions": sessions, "identities": identities, "events": events})
    };
    people.into_iter().map(row).collect()
}

/// Moment and kind of each event of an identity's person, sorted: no order of a tie is promised.
/// `None` where the engine's own order is not that of time.
pub fn events(engine: &Engine, namespace: &str, value: &str) -> Option<Vec<(String, String)>> {
    events_in(&engine.resolver().view(), namespace, value)
}

pub fn events_in(view: &View, namespace: &str, value: &str) -> Option<Vec<(String, String)>> {
    let events = view.events(namespace, value).expect("a sound store").expect("a known identity");
    let told: Vec<(i64, String, String)> = events
        .into_iter()
        .map(|event| (event.time.as_micros(), event.time.to_string(), event.attribution.word().to_owned()))
        .collect();
    let mut events: Vec<(String, String)> = told.iter().map(|(_, time, kind)| (time.clone(), kind.clone())).collect();
    events.sort();
    told.is_sorted_by_key(|(micros, ..)| *micros).then_some(events)
}

pub fn expected_events(belief: &Belief, person: &Id) -> Option<Vec<(String, String)>> {
    let told = belief.events_of(person).into_iter().map(|(event, kind)| (rfc3339(event.time), kind.to_owned()));
    let mut told: Vec<_> = told.collect();
    told.sort();
    Some(told)
}

/// `attribute LOG`: each line of an event with its person and kind, in the log's order.
pub fn attribute(engine: &Engine, file: &Path) -> Vec<Value> {
    attribute_in(&engine.resolver().view(), engine.settings(), file)
}

pub fn attribute_in(view: &View, settings: &Settings, file: &Path) -> Vec<Value> {
    let mut out = Vec::new();
    Attribute::of([file]).fields(of_all_times()).write(view, settings, &mut out).expect("the log is readable");
    let text = String::from_utf8(out).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// What it should write for lines that were judged as the `source`-th of `verdict`.
pub fn expected_attribute<S: AsRef<str>>(verdict: &Verdict, source: usize, lines: &[S]) -> Vec<Value> {
    expected_attribute_under(verdict, source, lines, verdict).into_iter().flatten().collect()
}

/// Likewise; `None` for lines whose events `belief` does not hold.
pub fn expected_attribute_under<S: AsRef<str>>(
    verdict: &Verdict,
    source: usize,
    lines: &[S],
    belief: &Belief,
) -> Vec<Option<Value>> {
    use crate::oracle::Outcome::{Accepted, Duplicate};
    let mut expected = Vec::new();
    for (line, outcome) in lines.iter().zip(&verdict.outcomes[source]) {
        let (Accepted(event) | Duplicate(event)) = outcome else { continue };
        expected.push(belief.events.get(event).map(|(person, kind)| {
            let mut line: Value = serde_json::from_str(line.as_ref()).expect("it was accepted");
            if let Value::Array(all) = &mut line {
                line = all.remove(0);
            }
            line["person"] = json!(person.to_string());
            line["attribution"] = json!(kind);
            line
        }));
    }
    expected
}

/// Asserts that `attribute` writes what it should, whatever it writes of the lines of which nothing is known.
pub fn assert_attributed(written: Vec<Value>, expected: Vec<Option<Value>>) {
    assert_eq!(written.len(), expected.len(), "lines of events");
    for (written, expected) in written.into_iter().zip(expected) {
        if let Some(expected) = expected {
            assert_eq!(written, expected);
        }
    }
}

/// Asserts that the engine says of everything what the oracle says.
pub fn assert_agrees(engine: &Engine, belief: &Belief) {
    assert_view_agrees(&engine.resolver().view(), belief);
    let second = engine.verify().expect("a readable store");
    assert!(second.is_sound(), "{:?} {:?}", second.damaged, second.differences);
}

/// Asserts that a view says of everything what the oracle says under the same reading.
pub fn assert_view_agrees(view: &View, belief: &Belief) {
    assert_eq!(totals_in(view).0, expected_totals(belief).0, "{KINDS:?}, sessions, customers, linked, shared");
    let all_rows = expected_sessions(belief);
    for (id, answer) in &belief.identities {
        assert_eq!(resolve_in(view, &id.namespace, &id.value), expected_resolve(id, answer));
        let person = &answer.person;
        assert_eq!(events_in(view, &id.namespace, &id.value), expected_events(belief, person), "events of {id}");
        let of_person = view.sessions_of(&id.namespace, &id.value).expect("a sound store").expect("a known identity");
        let person = json!(person.to_string());
        let expected: Vec<Value> = all_rows.iter().filter(|row| row["person"] == person).cloned().collect();
        assert_eq!(rows(of_person), expected, "sessions of {id}");
        let (namespace, value) = (&id.namespace, &id.value);
        let around = view.timeline(namespace, value).expect("a sound store").expect("a known identity");
        let theirs: Vec<Value> = rows(around.collect()).into_iter().filter(|row| row["person"] == person).collect();
        let events = view.events(namespace, value).expect("a sound store").expect("a known identity");
        let members = view.members(namespace, value).expect("a sound store").expect("a known identity");
        let group = view.resolve_in(namespace, value).expect("a sound store").expect("a known identity").group;
        let own: Vec<&Identity> = members.iter().filter(|row| row.own).map(|row| &row.identity).collect();
        assert_eq!(own, group.iter().collect::<Vec<_>>(), "identities of {id}");
        for row in &members {
            let carry = events.iter().filter(|event| event.identities.contains(&row.identity));
            let times: Vec<_> = carry.map(|event| event.time).collect();
            let told = (row.events, row.first, row.last);
            assert_eq!(told, (times.len() as u64, times.first().copied(), times.last().copied()), "{}", row.identity);
        }
        // A timeline is that of the person by all events under the default policy.
        let whole = view.under(backstitch::Reading::default()).resolve_in(namespace, value).expect("a sound store");
        if whole.is_some_and(|whole| json!(whole.person.to_string()) == person) {
            assert_eq!(theirs, rows(events), "events of {id} among all of its sessions");
        }
    }
    assert_eq!(sessions_in(view), all_rows);
    assert_eq!(people_in(view), expected_people(belief));
    assert_eq!(totals_in(view).1, belief.digest, "all the rest agrees: the digest's bytes");
}

fn identity(id: &Id) -> Identity {
    Identity { namespace: id.namespace.clone(), value: id.value.clone() }
}

/// Unlinks a pair, whether or not they ever met. What it does is what was said before that it would do.
pub fn unlink(engine: &mut Engine, lower: &Id, higher: &Id) {
    let [lower, higher] = [lower, higher].map(identity);
    let dry = engine.would_unlink(&lower, &higher).expect("a sound store");
    let done = engine.unlink_pair(&lower, &higher).expect("a store that can be written");
    assert_eq!((dry.changes, dry.changed), (done.changes, done.changed));
    assert_eq!(dry.sequence.0 + done.changes, done.sequence.0, "nothing was written before");
}

/// Links it again.
pub fn relink(engine: &mut Engine, lower: &Id, higher: &Id) {
    engine.relink_pair(&identity(lower), &identity(higher)).expect("a store that can be written");
}

/// Lets an identity count as another.
pub fn rename(engine: &mut Engine, old: &Id, new: &Id) {
    engine.rename([(identity(old), identity(new))]).expect("a store that can be written");
}

/// Takes that back.
pub fn rename_back(engine: &mut Engine, old: &Id) {
    engine.rename_back([identity(old)]).expect("a store that can be written");
}

/// Lets an identity count as nothing.
pub fn set_aside(engine: &mut Engine, id: &Id) {
    engine.set_aside([identity(id)]).expect("a store that can be written");
}

/// Lets it count again.
pub fn release(engine: &mut Engine, id: &Id) {
    engine.release([identity(id)]).expect("a store that can be written");
}

/// Takes a file back.
pub fn retract_source(engine: &mut Engine, file: &Path) {
    engine.retract(Retract::Source(file.to_str().expect("a path in UTF-8"))).expect("a file that was replayed");
}

/// Takes the events of an id back, if there are any.
pub fn retract_event(engine: &mut Engine, id: &str) {
    engine.retract(Retract::Event(id)).expect("a store that can be written");
}

/// Lets an identity opt out.
pub fn opt_out(engine: &mut Engine, id: &Id) {
    engine.opt_out(&id.namespace, &id.value).expect("a store that can be written");
}

/// Lets it opt in again.
pub fn opt_in(engine: &mut Engine, id: &Id) {
    engine.opt_in(&id.namespace, &id.value).expect("a store that can be written");
}

/// Erases identities.
pub fn forget(engine: &mut Engine, ids: &[Id], whole_person: bool, until: Option<i64>) {
    let forget = ids.iter().fold(Forget::default(), |forget, id| forget.and(&id.namespace, &id.value));
    let forget = if whole_person { forget.whole_person() } else { forget };
    let forget = until.map(Time::from_micros).into_iter().fold(forget, Forget::until);
    engine.forget(&forget).expect("a store that can be written");
}

/// Lets events of one be taken in again.
pub fn readmit(engine: &mut Engine, id: &Id) {
    engine.readmit(&id.namespace, &id.value).expect("a store that can be written");
}

/// The lines of `changes --since`.
pub fn records(engine: &Engine, since: u64) -> Vec<Value> {
    let feed = engine.feed();
    let records = feed.changes(Sequence(since)).expect("nothing was trimmed");
    let position = feed.position().to_string();
    let epoch = position.split(':').next().expect("an epoch");
    let of_the_epoch = |record: Value| {
        let mut record = record;
        let position = record.as_object_mut().and_then(|names| names.remove("position")).expect("a position");
        assert_eq!(position, format!("{epoch}:{}", record["sequence"]));
        record
    };
    let values = records.map(|record| serde_json::to_value(record.expect("a sound store")).expect("serialisable"));
    values.map(of_the_epoch).collect()
}

/// A text with one and the same epoch in its positions of the change feed: each store draws its own.
pub fn in_one_epoch(text: &str) -> String {
    const DIGITS: usize = 16;
    let is_epoch = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase());
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        let (before, after) = rest.split_at(at);
        match before.len().checked_sub(DIGITS).map(|from| before.split_at_checked(from)) {
            Some(Some((start, digits))) if is_epoch(digits) && after[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                out.push_str(start);
                out.push_str("00c0ffee00c0ffee");
            }
            _ => out.push_str(before),
        }
        out.push(':');
        rest = &after[1..];
    }
    out + rest
}

/// Forgets the records up to a number; asserts that what came before is refused from then on, and what was known then too.
pub fn trim(engine: &mut Engine, upto: u64) {
    engine.trim(Sequence(upto)).expect("a store that can be written");
    if let Some(before) = upto.checked_sub(1).map(Sequence) {
        assert!(engine.feed().changes(before).is_err(), "the records after {before} are not whole any more");
        let told = engine.known_at(before).err().expect("what was known then is forgotten");
        assert_eq!(told.kind(), ErrorKind::Forgotten, "{before}: {told}");
    }
}

/// The number of the last record.
pub fn sequence(engine: &Engine) -> u64 {
    engine.feed().sequence().0
}

/// `sessions --json` as it is printed.
pub fn printed_sessions(engine: &Engine) -> String {
    sessions(engine).iter().map(line_of_the_feed).collect()
}

/// `resolve --known-at WHEN --as-of T`, for one commit.
pub fn known_at(engine: &Engine, when: When) -> impl Fn(&str, &str, Option<i64>) -> Value + use<> {
    let known = engine.known_at(when).expect("nothing was trimmed");
    move |namespace, value, as_of| {
        let found = match as_of {
            Some(until) => known.as_of(Time::from_micros(until)).resolve_in(namespace, value),
            None => known.resolve_in(namespace, value),
        };
        serde_json::to_value(found).expect("serialisable")
    }
}

/// How a file lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Writes `text` at the end of a file: a further member or frame, where it is packed.
pub fn append(file: &Path, text: &str, packing: Packing) {
    let bytes = match packing {
        Packing::Plain => text.as_bytes().to_vec(),
        Packing::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).expect("in memory");
            gzip.finish().expect("in memory")
        }
        Packing::Zstd => zstd::encode_all(text.as_bytes(), 1).expect("in memory"),
    };
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("writable");
    file.write_all(&bytes).expect("written");
}

/// Lines as the text of a file.
pub fn text<S: AsRef<str>>(lines: &[S]) -> String {
    lines.iter().map(|line| format!("{}\n", line.as_ref())).collect()
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("readable") {
        let path = entry.expect("readable").path();
        let to = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy_folder(&path, &to),
            false => assert!(std::fs::copy(&path, to).is_ok(), "{}", path.display()),
        }
    }
}

/// Flips a bit in the last block of a kind.
pub fn damage_block(store: &Path, word: &str) {
    let kind = block_kinds().find(|kind| kind.word() == word).expect("a kind").number();
    let backend = SledBackend::open(store).expect("a database");
    let keys = backend.keys(&[kind], &[kind + 1]).expect("readable");
    // Of the newest run the first, behind which an index may lie.
    let key = keys.into_iter().rfind(|key| key[5..] == [0; 4]).expect("a block");
    let mut block = backend.get(&key).expect("readable").expect("it is there");
    *block.last_mut().expect("a body") ^= 1;
    backend.put(vec![(key, block)]).expect("writable");
    backend.sync().expect("writable");
}

/// A number that the environment asks for: how often, how long, or by which seed a test is to run.
pub fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A splitmix64 sequence: chance that can be repeated.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Of the ways to lose power at a write, one by chance: each write of a commit comes again in the next. Or all of them, where
/// the environment asks for it.
pub fn some_ways(write: u64, all: &[Survivors]) -> &[Survivors] {
    if asked("BACKSTITCH_ALL_WAYS").is_some() {
        return all;
    }
    let chosen = Chance(write).below(all.len());
    &all[chosen..=chosen]
}

/// The list of commands as it is without the collector, which is a feature.
pub fn without_serve(text: &str) -> String {
    const SERVE: &str = "  serve         Take activities in over HTTP, and answer who is who\n";
    assert!(cfg!(feature = "serve") == text.contains(SERVE) || !text.contains("\nCommands:\n"), "{text}");
    text.replace(SERVE, "")
}
