//! What `docs/format.md` says, held against a store: hashes, kinds, keys, headers, rows, with no code of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use backstitch::model::digest::{EventElements, IdentityHash, ProfileHash};
use backstitch::model::event::EventId;
use backstitch::model::identity::{IdentityId, Value};
use backstitch::model::profile::ProfilePart;
use backstitch::store::backend::{Backend, MemoryBackend};
use backstitch::store::block_kinds;
use backstitch::{
    AttributionKind, Digest, Engine, EventHash, Fields, Identity, Limits, Replay, Retract, Sequence, Time, TimeUnit,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use crate::harness::records;
use crate::place::file;

const FORMAT: &str = include_str!("../../docs/format.md");

/// The text behind a name in a block of `docs/format.md`: `name  value`.
fn example(name: &str) -> &'static str {
    let line = FORMAT.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "));
    line.unwrap_or_else(|| panic!("no example {name}")).trim()
}

#[test]
fn hashes_and_digest_are_those_of_the_format() {
    let identity = IdentityHash::new("sessionid", Value::new("150"));
    let person = IdentityHash::new("ecommerceid", Value::new("18278"));
    let event = EventHash::new(Time::from_micros(1_000), EventId::Text("e-1"), [identity]);
    let part = ProfilePart { segments: r#"["new"]"#, traits: r#"{"age":45}"# };
    let (mut digest, mut profiles, mut elements) = (Digest::default(), Digest::default(), EventElements::default());
    digest.add_identity(identity, person);
    let (attributed, profile) = ((person, AttributionKind::Retroactive), Some(ProfileHash::new(part)));
    elements.add((Time::from_micros(1_000), EventId::Text("e-1")), [identity], attributed, profile);
    elements.hash_into(&mut digest, &mut profiles);

    // By the words of the page alone.
    let hash = |parts: &[&[u8]]| xxh3_128(&parts.concat());
    let session = hash(&[b"sessionid:150"]);
    let customer = hash(&[b"ecommerceid:18278"]);
    let happened = hash(&[&1_000_i64.to_le_bytes(), &[2], &3_u64.to_le_bytes(), b"e-1", &session.to_le_bytes()]);
    let first = hash(&[b"i-", &session.to_le_bytes(), &customer.to_le_bytes()]);
    let second = hash(&[b"er", &happened.to_le_bytes(), &customer.to_le_bytes()]);
    assert_eq!((identity.0, person.0, event.0), (session, customer, happened));
    assert_eq!(digest.to_string(), format!("{:032x}", first.wrapping_add(second)));

    let said = hash(&[&7_u64.to_le_bytes(), br#"["new"]{"age":45}"#]);
    let third = hash(&[b"p-", &happened.to_le_bytes(), &said.to_le_bytes(), &customer.to_le_bytes()]);
    assert_eq!((ProfileHash::new(part).0, profiles.to_string()), (said, format!("{third:032x}")));
    assert_eq!([example("profile part"), example("(event, part, person)")], [said, third].map(|n| format!("{n:032x}")));

    let names = ["session", "person", "event", "(session, person)", "(event, person, r)", "digest"];
    let worked_out = [session, customer, happened, first, second, first.wrapping_add(second)];
    let worked_out = worked_out.map(|number| format!("{number:032x}"));
    assert_eq!(names.map(|name| example(name).to_owned()), worked_out);
}

/// The kinds of blocks by the page's table: number and word.
fn kinds() -> BTreeMap<u8, &'static str> {
    let rows = FORMAT.lines().skip_while(|line| *line != "| kind | word | holds |").skip(2);
    let cells = rows.map_while(|line| line.strip_prefix("| ")).map(|line| line.split(" | "));
    cells
        .map(|mut cells| (cells.next().expect("a number").parse().expect("a number"), cells.next().expect("a word")))
        .collect()
}

/// The number of a kind by the page's table.
fn kind(word: &str) -> u8 {
    *kinds().iter().find(|kind| *kind.1 == word).expect("a kind").0
}

#[test]
fn kinds_of_blocks_are_those_of_the_format() {
    assert_eq!(block_kinds().map(|kind| (kind.number(), kind.word())).collect::<BTreeMap<_, _>>(), kinds());
}

/// Reads the keys and headers of a store as `docs/format.md` tells it, with no code of the store.
#[test]
fn keys_and_headers_are_laid_out_as_in_the_format() {
    let backend = Arc::new(MemoryBackend::default());
    let mut engine = Engine::options().over(Arc::clone(&backend) as Arc<dyn Backend>).expect("a new store");
    let log = file("fixtures/journeys.ndjson");
    engine.replay([log]).expect("replayed");
    engine.unlink("sess-family-tablet", "clara").expect("unlinked");
    engine.opt_out("sessionId", "sess-family-tablet").expect("opted out");
    let customer = |value: &str| Identity::new("ecommerceId", value);
    engine.rename([(customer("dan"), customer("daniel"))]).expect("renamed");
    engine.quarantine(Some(Limits::default())).expect("limited");
    let format = FORMAT.lines().find_map(|line| line.strip_prefix("| 4 | the format, ")?.strip_suffix(" |"));
    let format: u8 = format.expect("a format").parse().expect("a number");
    let mut found = BTreeSet::new();
    let (mut latest, mut recorded) = (0, 0);
    let position = engine.feed().position().to_string();
    let epoch = position.split(':').next().expect("an epoch");
    for (key, stored) in backend.entries() {
        let [kind, run @ .., _, _, _, _] = &key[..] else { panic!("{key:?}") };
        assert_eq!(run.len(), 4, "{key:?}");
        let number = |at: usize| u64::from_le_bytes(stored[at..at + 8].try_into().expect("eight bytes"));
        assert_eq!(stored[..8], [b'b', b'k', b's', b't', format, *kind, 0, 0], "{key:?}");
        let seed = xxh3_64(&[&key[..], &stored[..16]].concat());
        assert_eq!(number(16), xxh3_64_with_seed(&stored[24..], seed), "{key:?}");
        if *kind == self::kind("manifest") {
            latest = latest.max(number(8));
        }
        if *kind == self::kind("last-commit") {
            recorded = recorded.max(number(8));
            let mut record = Column(&stored[24..]);
            assert_eq!(record.varint(), number(8));
            assert_eq!(format!("{:016x}", record.varint()), epoch);
            assert!(record.varint() <= engine.feed().sequence().0);
            let at = zigzag(record.varint());
            assert!(at == 0 || Time::from_micros(at) <= Time::from(SystemTime::now()), "{at}");
            assert!(record.0.is_empty());
        }
        if [self::kind("manifest"), self::kind("last-commit")].contains(kind) {
            assert_eq!(key[1..], [0, 0, 0, 0, 0, 0, 0, (number(8) % 2) as u8]);
        }
        found.insert(*kind);
    }
    assert_eq!(found, self::kinds().into_keys().collect());
    assert_eq!((latest, recorded), (engine.store().generation(), engine.store().generation()));
}

/// A signed number.
fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// A column, read by the words of the page.
struct Column<'a>(&'a [u8]);

impl Column<'_> {
    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (&byte, rest) = self.0.split_first().expect("a number");
            self.0 = rest;
            number |= u64::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return number;
            }
        }
    }

    fn span(&mut self) -> i64 {
        match self.number() {
            1 => zigzag(self.number()),
            millis => zigzag(millis >> 1) * 1_000,
        }
    }

    fn time(&mut self) -> Time {
        Time::from_micros(self.span())
    }

    fn jump(&mut self, from: u32) -> u32 {
        let n = self.number();
        u32::try_from(i64::from(from) + zigzag(n)).expect("an id")
    }

    /// A number of a record in bincode.
    fn varint(&mut self) -> u64 {
        let (&first, rest) = self.0.split_first().expect("a number");
        let bytes = match first {
            251 => 2,
            252 => 4,
            253 => 8,
            small => {
                self.0 = rest;
                return u64::from(small);
            }
        };
        let (number, rest) = rest.split_at(bytes);
        self.0 = rest;
        number.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte))
    }

    /// A boolean, or whether an option holds anything.
    fn flag(&mut self) -> bool {
        let (&flag, rest) = self.0.split_first().expect("a byte");
        self.0 = rest;
        assert!(flag < 2);
        flag == 1
    }

    fn text(&mut self) -> String {
        let bytes = self.varint() as usize;
        let (text, rest) = self.0.split_at(bytes);
        self.0 = rest;
        String::from_utf8(text.to_vec()).expect("UTF-8")
    }

    fn maybe(&mut self) -> Option<Time> {
        (self.number() == 1).then(|| self.time())
    }

    fn hash(&mut self) -> String {
        let (bytes, rest) = self.0.split_at(16);
        self.0 = rest;
        format!("{:032x}", u128::from_le_bytes(bytes.try_into().expect("sixteen bytes")))
    }
}

/// Reads every row of the blocks of one kind with `row`, which is told where a block begins.
fn read_rows(backend: &MemoryBackend, kind: u8, mut row: impl FnMut(bool, &mut Column<'_>)) {
    for (_, stored) in backend.entries().iter().filter(|(key, _)| key[0] == kind) {
        let mut body = &stored[24..];
        let mut bincode = || match body[0] {
            251 => {
                let number = u64::from(u16::from_le_bytes([body[1], body[2]]));
                body = &body[3..];
                number
            }
            number => {
                body = &body[1..];
                u64::from(number)
            }
        };
        let (rows, bytes) = (bincode(), bincode());
        assert_eq!(bytes, body.len() as u64);
        let mut column = Column(body);
        (0..rows).for_each(|at| row(at == 0, &mut column));
        assert!(column.0.is_empty(), "{kind:?}: something is left");
    }
}

/// A store whose feed has records of all sorts: new sessions, one that goes to another person, one that is gone.
fn with_a_past() -> (Arc<MemoryBackend>, Engine) {
    let backend = Arc::new(MemoryBackend::default());
    let shared = Arc::clone(&backend) as Arc<dyn Backend>;
    let mut engine = Engine::options().over(shared).expect("a new store");
    engine.replay([file("fixtures/journeys.ndjson")]).expect("replayed");
    engine.unlink("sess-family-tablet", "clara").expect("unlinked");
    engine.unlink("sess-library-pc", "ida").expect("unlinked");
    engine.relink("sess-library-pc", "ida").expect("linked again");
    let alone = engine.feed().changes(Sequence(0)).expect("kept").map(|record| record.expect("sound"));
    let hash =
        alone.filter_map(|record| Some((record.session?, record.event?))).find(|row| row.0 == "sess-hugo-laptop");
    engine.retract(Retract::Event(&hash.expect("its one event").1.to_string())).expect("retracted");
    (backend, engine)
}

#[test]
fn records_of_the_feed_are_laid_out_as_in_the_format() {
    let (backend, engine) = with_a_past();
    let view = engine.resolver().view();
    let name = |id: u32| view.graph().identity(IdentityId(id)).to_string();
    let (mut sequence, mut session, mut read) = (0, 0, Vec::new());
    read_rows(&backend, kind("changes"), |first, row| {
        if first {
            (sequence, session) = (0, 0);
        }
        sequence += row.number();
        let flags = row.number();
        session = row.jump(session);
        let has = |flag| flags & flag != 0;
        let events = row.number();
        let since = has(1).then(|| row.time().to_string());
        let from = has(2).then(|| row.jump(session));
        let to = if has(4) { Some(row.jump(session)) } else { from.filter(|_| has(8)) };
        let moved = has(16).then(|| (row.number(), row.time(), row.span()));
        let cause = has(32).then(|| (row.jump(session), row.jump(to.unwrap_or(session)), row.hash()));
        read.push(serde_json::json!({
            "sequence": sequence, "session": view.graph().identities().value(IdentityId(session)).to_string(),
            "events": events, "since": since, "from": from.map(name), "to": to.map(name),
            "moved": moved.map_or(0, |moved| moved.0), "first": moved.map(|moved| moved.1.to_string()),
            "last": moved.map(|(_, first, span)| Time::from_micros(first.as_micros() + span).to_string()),
            "link": cause.as_ref().map(|cause| [name(cause.0), name(cause.1)]), "event": cause.map(|cause| cause.2),
        }));
    });
    assert_eq!(read, records(&engine, 0));
    assert!(read.iter().any(|record| record["to"].is_null()) && read.iter().any(|record| record["moved"] != 0));
}

#[test]
fn what_commits_overwrote_is_laid_out_as_in_the_format() {
    let before = Time::from(SystemTime::now());
    let (backend, engine) = with_a_past();
    let view = engine.resolver().view();
    let identities = view.graph().identities();
    // Also of what no event carries any more.
    let id = |namespace, value| {
        let namespace = view.graph().namespaces().get(namespace).expect("met");
        identities.get(namespace, Value::new(value)).expect("it has an id").0
    };
    let (mut generation, mut last, mut commits, mut read) = (0, (0, 0), Vec::new(), Vec::new());
    let mut moments = vec![before];
    read_rows(&backend, kind("history"), |first, row| {
        if first {
            (generation, last) = (0, (0, 0));
        }
        generation += row.number();
        last = match row.number() {
            0 => {
                commits.push((generation, row.number(), row.number()));
                moments.push(row.time());
                (0, 0)
            }
            1 => {
                let seen = row.jump(last.0);
                read.push(format!("{generation} seen {seen} {:?}", row.maybe().map(|time| time.to_string())));
                (seen, 0)
            }
            2 => {
                let ends = (row.jump(last.0), row.jump(last.1));
                let first = row.maybe().map(|time| time.to_string());
                // The replay has a row for each of its links: none of them was there before.
                if generation > 2 {
                    read.push(format!("{generation} link {} {} {first:?}", ends.0, ends.1));
                }
                ends
            }
            3 => {
                let ends = (row.number() as u32, row.number() as u32);
                read.push(format!("{generation} unlink {} {} {}", ends.0, ends.1, row.number()));
                ends
            }
            sort => panic!("sort {sort}"),
        };
    });
    let (laptop, mail) = (id("sessionId", "sess-hugo-laptop"), id("email", "hugo@example.org"));
    let (tablet, clara) = (id("sessionId", "sess-family-tablet"), id("ecommerceId", "clara"));
    let (library, ida) = (id("sessionId", "sess-library-pc"), id("ecommerceId", "ida"));
    let at = "2026-11-02T19:00:00.000Z";
    moments.push(Time::from(SystemTime::now()));
    assert!(moments.is_sorted(), "{moments:?}");
    assert_eq!(commits, [(2, 13, 22), (3, 14, 22), (4, 15, 22), (5, 16, 22), (6, 17, 22)]);
    assert_eq!(
        read,
        [
            format!("3 unlink {tablet} {clara} 1"),
            format!("4 unlink {library} {ida} 1"),
            format!("5 unlink {library} {ida} 0"),
            format!("6 seen {laptop} Some({at:?})"),
            format!("6 link {laptop} {mail} Some({at:?})"),
        ]
    );
    let mut unlinks = Vec::new();
    read_rows(&backend, kind("unlinks"), |_, row| unlinks.push([row.number(), row.number(), row.number()]));
    let pairs = [[tablet, clara, 1], [library, ida, 1], [library, ida, 0]];
    assert_eq!(unlinks, pairs.map(|row| row.map(u64::from)));
}

/// What follows the id of a source, as the page lays it out.
fn source(row: &mut Column<'_>) -> serde_json::Value {
    let bytes = row.number();
    let before = row.0.len() as u64;
    let name = row.text();
    let position = row.flag().then(|| {
        let [bytes, lines, events, fields] = [(); 4].map(|()| row.varint());
        let complete = row.flag();
        let file = row.flag().then(|| {
            let bytes = row.varint();
            let modified = row.flag().then(|| row.varint());
            assert!(modified.is_some_and(|zigzag| zigzag % 2 == 0), "after 1970");
            let ends: Vec<[u64; 2]> = (0..2).map(|_| [row.varint(), row.varint()]).collect();
            serde_json::json!({"bytes": bytes, "ends": ends})
        });
        serde_json::json!({"bytes": bytes, "lines": lines, "events": events, "fields": fields, "complete": complete, "file": file})
    });
    let pushed = row.flag().then(|| row.text());
    let retracted = row.flag();
    let within = if before - (row.0.len() as u64) < bytes { row.varint() } else { 0 };
    assert_eq!(before - row.0.len() as u64, bytes);
    serde_json::json!({"name": name, "position": position, "pushed": pushed, "retracted": retracted, "within": within})
}

#[test]
fn sources_are_laid_out_as_in_the_format() {
    let backend = Arc::new(MemoryBackend::default());
    let mut engine = Engine::options().over(Arc::clone(&backend) as Arc<dyn Backend>).expect("a new store");
    let log = file("fixtures/segment.ndjson");
    let fields = Fields::builder().timestamp("sentAt").id("messageId").unit(TimeUnit::Seconds);
    let fields = fields.namespace("sessionId", "anonymousId").namespace("Email", r"context.a\.b");
    let replay = Replay::of([&log]).fields(fields.build().expect("fields")).reader("a stream", "no event\n".as_bytes());
    engine.replay(replay).expect("replayed");
    engine.push("a stream", [], "offset 7").expect("pushed");
    engine.ingest("another", "no event".as_bytes()).expect("replayed");
    let wrapped = Fields::builder().wrapper("items").build().expect("fields");
    engine.replay(Replay::new().reader("wrapped", &b"{\"items\":[7,"[..]).fields(wrapped)).expect("replayed");
    engine.ingest("array", &b"[\n{},\n"[..]).expect("replayed");
    engine.ingest("values", &b"[\n]\n"[..]).expect("replayed");
    engine.push("gone", [], "").expect("pushed");
    engine.retract(Retract::Source("gone")).expect("retracted");
    let (mut id, mut sources) = (0, BTreeMap::new());
    read_rows(&backend, kind("sources"), |first, row| {
        id = if first { 0 } else { id } + row.number();
        sources.insert(id, source(row));
    });
    let text = std::fs::read(&log).expect("readable");
    let told =
        "id messageId\nnamespaces.email context.a\\.b\nnamespaces.sessionid anonymousId\ntimestamp sentAt\nunit 6\n";
    let bytes = text.len() as u64;
    let end = serde_json::json!([bytes, xxh3_64(&text)]);
    let position = |bytes: u64, lines: u64, fields: u64, complete: bool| serde_json::json!({"bytes": bytes, "lines": lines, "events": 0, "fields": fields, "complete": complete, "file": null});
    let (told, activity) = (xxh3_64(told.as_bytes()), xxh3_64(b""));
    let mut first = position(bytes, 10, told, true);
    (first["events"], first["file"]) = (6.into(), serde_json::json!({"bytes": bytes, "ends": [end, end]}));
    let row = |name: &str, position: serde_json::Value, within: u64| serde_json::json!({"name": name, "position": position, "pushed": null, "retracted": false, "within": within});
    let mut stream = row("a stream", position(9, 1, told, true), 0);
    stream["pushed"] = "offset 7".into();
    let mut gone = row("gone", serde_json::Value::Null, 0);
    gone["retracted"] = true.into();
    let expected = [
        row(log.to_str().expect("UTF-8"), first, 0),
        stream,
        row("another", position(0, 0, activity, false), 0),
        row("wrapped", position(12, 0, xxh3_64(b"wrapper items\n"), true), 3),
        row("array", position(6, 2, activity, true), 2),
        row("values", position(4, 2, activity, true), 1),
        gone,
    ];
    assert_eq!(sources.into_values().collect::<Vec<_>>(), expected);
}

/// The blocks of the index of the only run of a kind, which has one block of rows.
fn index_of(backend: &MemoryBackend, word: &str) -> Vec<Vec<u8>> {
    let entries = backend.entries();
    let blocks = entries.iter().filter(|(key, _)| key[0] == kind(word) && key[5..] != [0; 4]);
    blocks.map(|(_, stored)| stored[24..].to_vec()).collect()
}

#[test]
fn indexes_are_laid_out_as_in_the_format() {
    let backend = Arc::new(MemoryBackend::default());
    let mut engine = Engine::options().over(Arc::clone(&backend) as Arc<dyn Backend>).expect("a new store");
    engine.replay([file("fixtures/journeys.ndjson")]).expect("replayed");
    let view = engine.resolver().view();
    let identities = view.graph().identities();

    let blocks = index_of(&backend, "identities");
    let [starts, hashes] = &blocks[..] else { panic!("{blocks:?}") };
    let mut starts = Column(starts);
    let seed = starts.varint();
    assert_eq!((starts.varint(), starts.0), (4, &[0; 4][..]), "one block");
    let digits = format!("{:b}", identities.len()).len() as u32;
    let bits = |id: IdentityId| {
        let seed = seed.wrapping_add(u64::from(identities.namespace(id).0).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let hash = match identities.value(id) {
            Value::Uuid(bytes) => xxh3_64_with_seed(&bytes, seed),
            Value::Text(text) => xxh3_64_with_seed(text.as_bytes(), seed),
        };
        hash >> (64 - (digits + 6))
    };
    let expected: BTreeSet<u64> = identities.ids().map(bits).collect();
    let mut hashes = Column(hashes);
    let (rows, bytes) = (hashes.varint(), hashes.varint());
    assert_eq!((rows, bytes), (expected.len() as u64, hashes.0.len() as u64));
    let mut hash = 0;
    for expected in expected {
        hash += hashes.number();
        assert_eq!((hash, hashes.number()), (expected, 0), "in the only block");
    }
    assert!(hashes.0.is_empty());

    let mut expected: Vec<(u32, u32)> =
        view.graph().links().as_slice().iter().map(|link| (link.higher.0, link.lower.0)).collect();
    expected.sort_unstable();
    let blocks = index_of(&backend, "links");
    let [ends] = &blocks[..] else { panic!("{blocks:?}") };
    let mut ends = Column(ends);
    assert_eq!((ends.varint(), ends.varint()), (expected.len() as u64, ends.0.len() as u64));
    let mut higher = 0;
    for expected in expected {
        higher += ends.number() as u32;
        assert_eq!((higher, ends.jump(higher)), expected);
    }
    assert!(ends.0.is_empty());
}
