//! How fast lines become activities, beside the speed of light (finding the line ends) and the JSON library.
//!
//! `serde_json` gets the least work that finds the same fields: a visitor that borrows four of them and ignores the rest.
#![expect(clippy::expect_used, reason = "a bench that cannot go on has nothing to measure")]

use std::borrow::Cow;
use std::fmt::Write;
use std::hint::black_box;

use backstitch::ingest::chunk::{CHUNK_BYTES, Chunk};
use backstitch::ingest::decode::Decoder;
use backstitch::ingest::junk::JunkCounts;
use backstitch::{Fields, Junk, Levels, Namespaces, Time};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

const SEED: u64 = 20_261_101;

/// A chunk of activities of about 385 bytes, a third of them with a customer.
fn chunk() -> Chunk {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut lines = String::new();
    let mut millis = 1_793_527_200_000_i64;
    while lines.len() < CHUNK_BYTES - 1_000 {
        millis += (random.next_u64() % 900) as i64;
        let uuid = |random: &mut Xoshiro256PlusPlus| {
            Uuid::from_u64_pair(random.next_u64(), random.next_u64()).hyphenated().to_string()
        };
        let time = Time::from_millis(millis).expect("within the calendar");
        let (session, source, order) = (uuid(&mut random), uuid(&mut random), uuid(&mut random));
        let action = ["view", "click", "addToCart", "purchase"][random.next_u64() as usize % 4];
        let customer = match random.next_u64() % 3 {
            0 => format!(r#","ecommerceId":"{}""#, random.next_u64() % 400_000),
            _ => String::new(),
        };
        let (product, age) = (random.next_u64() % 100_000, 18 + random.next_u64() % 60);
        writeln!(
            lines,
            r#"{{"timestamp":"{time}","action":"{action}","target":{{"product":"{product}"}},"user":{{"identities":{{"sessionId":"{session}"{customer}}},"segments":["new","prospect"],"traits":{{"age":{age},"buyer":true}}}},"sourceId":"{source}","metadata":{{"orderId":"{order}","url":"/c/shoes?p=3"}},"segments":["web"]}}"#
        )
        .expect("a string takes all");
    }
    Chunk::whole(lines)
}

/// What `serde_json` finds in a line.
#[derive(Default)]
struct Found<'a> {
    timestamp: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    identities: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// The object that the visitor is in.
#[derive(Clone, Copy)]
enum Place {
    Activity,
    User,
    Identities,
}

struct Visit<'f, 'a>(&'f mut Found<'a>, Place);

impl<'de> Visitor<'de> for Visit<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Visit(found, place) = self;
        while let Some(key) = map.next_key::<&str>()? {
            match (place, key) {
                (Place::Activity, "timestamp" | "time") => {
                    found.timestamp = map.next_value::<Option<&str>>()?.map(Cow::Borrowed)
                }
                (Place::Activity, "id") => found.id = map.next_value::<Option<&str>>()?.map(Cow::Borrowed),
                (Place::Activity, "user") => map.next_value_seed(Visit(found, Place::User))?,
                (Place::User, "identities") => map.next_value_seed(Visit(found, Place::Identities))?,
                (Place::Identities, name) => found.identities.push((name.into(), map.next_value::<&str>()?.into())),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Visit<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// Lines, found as fast as can be: `slice::split` would be counted against what it is compared with.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', bytes).map(move |end| &bytes[std::mem::replace(&mut start, end + 1)..end])
}

fn decode(c: &mut Criterion) {
    let chunk = chunk();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Bytes(chunk.bytes.len() as u64));
    group.bench_function("speed of light: line ends", |b| {
        b.iter(|| memchr::memchr_iter(b'\n', black_box(&chunk.bytes)).count());
    });
    group.bench_function("hashes alone", |b| {
        b.iter(|| lines(&chunk.bytes).map(xxh3_128).fold(0, |all, hash| all ^ hash));
    });
    group.bench_function("serde_json, fields alone", |b| {
        let mut found = Found::default();
        b.iter(|| {
            for line in lines(&chunk.bytes) {
                found.identities.clear();
                let mut reader = serde_json::Deserializer::from_slice(line);
                reader.deserialize_map(Visit(&mut found, Place::Activity)).expect("valid");
                black_box((&found.timestamp, &found.id, &found.identities));
            }
        });
    });
    // The same fields of the same lines, but by the tree of keys that all other fields are.
    let told = Fields::builder().timestamp("timestamp").build().expect("one path");
    for (name, fields) in [("Decoder::chunk", Fields::default()), ("Decoder::chunk, other fields", told)] {
        group.bench_function(name, |b| {
            let decoder = Decoder::new(&Junk::default(), &fields);
            let mut namespaces = Namespaces::new(Levels::default());
            let mut junk = JunkCounts::new();
            b.iter(|| {
                let mut events = 0u64;
                decoder.chunk_inline(black_box(&chunk), &mut namespaces, &mut junk, |line| {
                    events += u64::from(black_box(line).outcome.is_ok());
                });
                events
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
