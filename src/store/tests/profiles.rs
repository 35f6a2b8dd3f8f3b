//! Profile parts: of the deliveries of one event the greatest is read, and each source keeps its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Model, OwnedCommit, seen_rows};
use crate::model::event::{Event, EventId};
use crate::model::history::Overwritten;
use crate::model::identity::{IdentityId, Value};
use crate::model::namespace::NamespaceId;
use crate::model::profile::ProfilePart;
use crate::model::settings::Settings;
use crate::model::source::{Source, SourceId};
use crate::model::time::Time;
use crate::store::backend::MemoryBackend;
use crate::store::events::{EventBlock, EventWriter};
use crate::store::find::EventFinder;
use crate::store::scan::Scan;
use crate::store::{Commit, Store};

const ANCHORS: u32 = 3;
const SOURCES: u32 = 4;

/// Anchor and time of an event; the id follows from the time.
type Place = (u32, i64);

/// Segments and traits.
type Part = (String, String);

/// Of each event, what each source delivered with it.
type Deliveries = BTreeMap<Place, BTreeMap<u32, Part>>;

fn part((segments, traits): &Part) -> ProfilePart<'_> {
    ProfilePart { segments, traits }
}

/// One batch as blocks: an event once for each part, with the sources that delivered it.
fn encode(batch: &Deliveries) -> Vec<EventBlock> {
    let mut writer = EventWriter::new();
    for (&(anchor, time), deliveries) in batch {
        let mut by_part: BTreeMap<&Part, Vec<SourceId>> = BTreeMap::new();
        for (&source, part) in deliveries {
            by_part.entry(part).or_default().push(SourceId(source));
        }
        let events = by_part.iter().map(|(told, sources)| Event {
            time: Time::from_micros(time),
            id: EventId::Line(time as u128),
            companions: &[],
            sources,
            profile: part(told),
        });
        writer.push(IdentityId(anchor), events).unwrap();
    }
    writer.finish().unwrap()
}

/// What a scan gives: of each event its parts, with their sources.
fn scanned(mut scan: Scan) -> BTreeMap<Place, Vec<(Part, Vec<u32>)>> {
    let mut found: BTreeMap<Place, Vec<(Part, Vec<u32>)>> = BTreeMap::new();
    while let Some(group) = scan.next().unwrap() {
        for event in group.events() {
            let told = (event.profile.segments.to_owned(), event.profile.traits.to_owned());
            let sources = event.sources.iter().map(|source| source.0).collect();
            found.entry((group.anchor().0, event.time.as_micros())).or_default().push((told, sources));
        }
    }
    found
}

fn store() -> Store {
    let mut store = Store::with_backend(Arc::new(MemoryBackend::default()), Some(&Settings::default())).unwrap();
    let names: Vec<String> = (0..ANCHORS).map(|anchor| format!("s{anchor}")).collect();
    let identities: Vec<_> = names.iter().map(|name| (NamespaceId(0), Value::new(name))).collect();
    let seen = seen_rows(&(0..ANCHORS).map(|anchor| (anchor, (0, 1))).collect());
    let sources: Vec<_> =
        (0..SOURCES).map(|id| (SourceId(id), Source { name: format!("source {id}"), ..Source::default() })).collect();
    let namespaces = Model::default().with(&OwnedCommit::default()).namespaces;
    let first = Commit {
        namespaces: &namespaces,
        identities,
        seen: &seen,
        links: &[],
        events: Vec::new(),
        counted: Vec::new(),
        written: Vec::new(),
        recounts: &[],
        sources: &sources,
        changes: &[],
        overwritten: Overwritten::default(),
        totals: None,
        counts: None,
    };
    store.commit(first).unwrap();
    store
}

fn commit(store: &mut Store, events: Vec<EventBlock>) {
    let namespaces = Model::default().with(&OwnedCommit::default()).namespaces;
    let commit = Commit {
        namespaces: &namespaces,
        identities: Vec::new(),
        seen: &[],
        links: &[],
        events,
        counted: Vec::new(),
        written: Vec::new(),
        recounts: &[],
        sources: &[],
        changes: &[],
        overwritten: Overwritten::default(),
        totals: None,
        counts: None,
    };
    store.commit(commit).unwrap();
}

fn delivery() -> impl Strategy<Value = (Place, u32, Part)> {
    let segments = prop_oneof![Just(String::new()), (0..3).prop_map(|number| format!("[\"{number}\"]"))];
    let traits = prop_oneof![
        4 => Just(String::new()),
        4 => (0..3).prop_map(|number| format!("{{\"a\":{number}}}")),
        1 => (1_000_usize..5_000).prop_map(|length| format!("{{\"a\":\"{}\"}}", "é".repeat(length))),
    ];
    ((0..ANCHORS, 0..12_i64), 0..SOURCES, (segments, traits))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_greatest_part_is_read_and_every_source_keeps_its_own(
        batches in prop::collection::vec(prop::collection::vec(delivery(), 1..60), 1..12),
    ) {
        let mut store = store();
        let mut model = Deliveries::new();
        for batch in batches {
            let mut known = Deliveries::new();
            for (place, source, part) in batch {
                for deliveries in [&mut known, &mut model] {
                    let greatest = deliveries.entry(place).or_default().entry(source).or_default();
                    *greatest = part.clone().max(greatest.clone());
                }
            }
            commit(&mut store, encode(&known));
        }
        let all = 0..u32::MAX;
        let mut deliveries = scanned(store.events().deliveries(all.clone()));
        for (place, found) in &mut deliveries {
            // A run may hold an earlier, lesser part of a source; what counts is its greatest.
            let mut by_source = BTreeMap::new();
            for (part, sources) in found.iter() {
                for &source in sources {
                    let greatest: &mut Part = by_source.entry(source).or_default();
                    *greatest = part.clone().max(greatest.clone());
                }
            }
            prop_assert_eq!(&by_source, &model[place]);
            prop_assert!(found.is_sorted_by(|a, b| a.0 < b.0), "each part once, ascending");
        }
        prop_assert_eq!(deliveries.len(), model.len());
        let read = scanned(store.events().scan(all));
        for (place, deliveries) in &model {
            let greatest = deliveries.values().max().unwrap().clone();
            prop_assert_eq!(&read[place], &vec![(greatest, deliveries.keys().copied().collect())]);
        }
        prop_assert_eq!(read.len(), model.len());
        let mut finder = EventFinder::new(&store.events());
        for anchor in 0..ANCHORS {
            let times: Vec<i64> = (0..12).collect();
            let wanted: Vec<Event<'_>> = times.iter().map(|&time| Event {
                time: Time::from_micros(time),
                id: EventId::Line(time as u128),
                companions: &[],
                sources: &[],
                profile: ProfilePart::default(),
            }).collect();
            let mut found: BTreeMap<i64, BTreeMap<u32, Part>> = BTreeMap::new();
            finder.find(IdentityId(anchor), &wanted, |at, event| {
                for source in event.sources {
                    let greatest = found.entry(times[at]).or_default().entry(source.0).or_default();
                    let told = (event.profile.segments.to_owned(), event.profile.traits.to_owned());
                    *greatest = told.max(greatest.clone());
                }
            }).unwrap();
            let expected = model.iter().filter(|(place, _)| place.0 == anchor);
            prop_assert_eq!(found, expected.map(|(place, all)| (place.1, all.clone())).collect::<BTreeMap<_, _>>());
        }
        prop_assert!(store.check().unwrap().is_empty());
    }
}
