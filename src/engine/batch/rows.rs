//! BatchRows: decoded events in memory, packed.

use std::cmp::Ordering;

use crate::engine::batch::profiles::PartId;
use crate::engine::batch::sets::{CompanionSets, SetId};
use crate::model::event::{Event, EventId};
use crate::model::identity::IdentityId;
use crate::model::profile::ProfilePart;
use crate::model::source::SourceId;
use crate::model::texts::{TextId, Texts};
use crate::model::time::Time;

/// An event on its way to the store: 48 bytes, and the bytes of its `id` where that is neither a hash nor a UUID.
#[derive(Clone, Copy)]
pub struct BatchRow {
    /// The identity it is grouped under.
    pub anchor: IdentityId,
    /// Its other identities.
    pub companions: SetId,
    /// When it happened.
    pub time: Time,
    /// Where it came from.
    pub source: SourceId,
    /// Its segments and traits.
    pub profile: PartId,
    /// Whether it is what another row, which was written so, counts as.
    pub recounted: bool,
    /// Whether it goes into the store. Settling tells of which rows that is not so, and of a chunk those do not that repeat an earlier one.
    pub arrives: bool,
    sort: Sort,
    /// The 16 bytes of a hash or UUID in big-endian order, or start and end of a text.
    id: [u64; 2],
}

impl BatchRow {
    /// The row as it was written, where it counts otherwise, or not at all.
    pub fn written(self, counts: bool) -> Self {
        Self { recounted: counts, ..self }
    }

    /// What it carries.
    pub fn carried(&self) -> Carried {
        let Self { anchor, companions, profile, .. } = *self;
        Carried { anchor, companions, profile }
    }

    /// What it counts as.
    pub fn counted(self, anchor: IdentityId, companions: SetId) -> Self {
        Self { anchor, companions, recounted: true, ..self }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Line,
    Uuid,
    Text,
}

/// What an event carries.
#[derive(Clone, Copy)]
pub struct Carried {
    /// The identity it is grouped under.
    pub anchor: IdentityId,
    /// Its other identities.
    pub companions: SetId,
    /// Its segments and traits.
    pub profile: PartId,
}

/// What the ids of a chunk are in the batch that takes it over, each at its place.
pub struct Translated<'a> {
    /// Its identities.
    pub identities: &'a [IdentityId],
    /// Its sets of companions.
    pub sets: &'a [SetId],
    /// Its texts of segments and traits.
    pub texts: &'a [TextId],
}

/// The two halves of a number, the higher first.
fn halves(word: u128) -> [u64; 2] {
    [(word >> 64) as u64, word as u64]
}

/// Adds a text, and says where it starts and ends.
fn keep(text: &str, texts: &mut String) -> [u64; 2] {
    let start = texts.len() as u64;
    texts.push_str(text);
    [start, texts.len() as u64]
}

/// BatchRows with what they refer to.
pub struct BatchRows {
    /// The rows, as they count.
    pub all: Vec<BatchRow>,
    /// Those that count otherwise than they were written, as they were; `recounted` where they count as anything.
    pub written: Vec<BatchRow>,
    /// The sets of companions.
    pub sets: CompanionSets,
    /// The texts of segments and traits.
    pub profiles: Texts,
    /// The event ids that are texts, end to end.
    texts: String,
}

impl BatchRows {
    /// No rows.
    pub fn new() -> Self {
        let (sets, profiles, texts) = (CompanionSets::new(), Texts::default(), String::new());
        Self { all: Vec::new(), written: Vec::new(), sets, profiles, texts }
    }

    /// Forgets everything, and keeps the room.
    pub fn clear(&mut self) {
        self.all.clear();
        self.written.clear();
        self.sets.clear();
        self.profiles.clear();
        self.texts.clear();
    }

    /// Adds an event.
    pub fn push(&mut self, carried: Carried, time: Time, id: &EventId<'_>, source: SourceId) {
        let (sort, id) = match *id {
            EventId::Line(hash) => (Sort::Line, halves(hash)),
            EventId::Uuid(bytes) => (Sort::Uuid, halves(u128::from_be_bytes(bytes))),
            EventId::Text(text) => (Sort::Text, keep(text, &mut self.texts)),
        };
        let Carried { anchor, companions, profile } = carried;
        let (recounted, arrives) = (false, true);
        self.all.push(BatchRow { anchor, companions, time, source, profile, recounted, arrives, sort, id });
    }

    /// Adds an event that carries what an earlier row does. Where it is the very event of that row, from the same source, it does not
    /// [arrive](BatchRow::arrives).
    #[inline]
    pub fn push_like(&mut self, earlier: u32, time: Time, id: &EventId<'_>, source: SourceId) {
        let earlier = self.all[earlier as usize];
        let repeats = earlier.time == time && earlier.source == source && self.id(&earlier) == *id;
        self.push(earlier.carried(), time, id, source);
        if let Some(row) = self.all.last_mut().filter(|_| repeats) {
            row.arrives = false;
        }
    }

    /// Takes over the rows of a decoded chunk that are `kept`, whose ids `into` translates, with the hash that takes the place of their
    /// `id` where there is one.
    pub fn absorb(
        &mut self,
        chunk: &BatchRows,
        into: &Translated<'_>,
        source: SourceId,
        kept: impl Fn(&BatchRow) -> bool,
        replaced: impl Fn(EventId<'_>) -> Option<u128>,
    ) {
        let texts = &mut self.texts;
        self.all.extend(chunk.all.iter().filter(|row| kept(row)).map(|row| {
            let id = chunk.id(row);
            let (sort, id) = match (replaced(id), id) {
                (Some(hash), _) => (Sort::Line, halves(hash)),
                (None, EventId::Text(text)) => (row.sort, keep(text, texts)),
                (None, EventId::Line(_) | EventId::Uuid(_)) => (row.sort, row.id),
            };
            BatchRow {
                anchor: into.identities[row.anchor.index()],
                companions: into.sets[row.companions.0 as usize],
                profile: PartId {
                    segments: into.texts[row.profile.segments.0 as usize],
                    traits: into.texts[row.profile.traits.0 as usize],
                },
                sort,
                id,
                source,
                ..*row
            }
        }));
    }

    /// Bytes of texts: of segments, traits and event ids.
    pub fn text_bytes(&self) -> usize {
        self.profiles.bytes() + self.texts.len()
    }

    /// The `id` of a row.
    pub fn id(&self, row: &BatchRow) -> EventId<'_> {
        let word = u128::from(row.id[0]) << 64 | u128::from(row.id[1]);
        match row.sort {
            Sort::Line => EventId::Line(word),
            Sort::Uuid => EventId::Uuid(word.to_be_bytes()),
            Sort::Text => EventId::Text(&self.texts[row.id[0] as usize..row.id[1] as usize]),
        }
    }

    /// Makes events of rows that follow on each other.
    pub fn reader(&self) -> RowReader<'_> {
        let (companions, profile) = (SetId::EMPTY, PartId::EMPTY);
        let last = (self.sets.get(companions), ProfilePart { segments: "", traits: "" });
        RowReader { rows: self, companions, profile, last }
    }

    /// The segments and traits of a row.
    pub fn profile(&self, row: &BatchRow) -> ProfilePart<'_> {
        let PartId { segments, traits } = row.profile;
        ProfilePart { segments: self.profiles.get(segments), traits: self.profiles.get(traits) }
    }

    /// The order in which rows are stored: by anchor, then as events are within one; the same event as it was written first, then by
    /// profile part, then by source.
    pub fn compare(&self, a: &BatchRow, b: &BatchRow) -> Ordering {
        (a.anchor, a.time).cmp(&(b.anchor, b.time)).then_with(|| self.compare_ids(a, b)).then_with(|| {
            let sets = if a.companions == b.companions {
                Ordering::Equal
            } else {
                self.sets.get(a.companions).cmp(self.sets.get(b.companions))
            };
            let parts = || match a.profile == b.profile {
                true => Ordering::Equal,
                false => self.profile(a).cmp(&self.profile(b)),
            };
            sets.then(a.recounted.cmp(&b.recounted)).then_with(parts).then(a.source.cmp(&b.source))
        })
    }

    /// Whether two rows are one event.
    pub fn same(&self, a: &BatchRow, b: &BatchRow) -> bool {
        a.anchor == b.anchor && a.time == b.time && a.companions == b.companions && self.compare_ids(a, b).is_eq()
    }

    fn compare_ids(&self, a: &BatchRow, b: &BatchRow) -> Ordering {
        if a.sort == b.sort && a.sort != Sort::Text { a.id.cmp(&b.id) } else { self.id(a).cmp(&self.id(b)) }
    }
}

/// Makes events of rows. What one carries is looked up where it is not what the row before carries.
#[derive(Clone)]
pub struct RowReader<'a> {
    rows: &'a BatchRows,
    companions: SetId,
    profile: PartId,
    /// What these two are.
    last: (&'a [IdentityId], ProfilePart<'a>),
}

impl<'a> RowReader<'a> {
    /// The event that a row is, delivered by `sources`.
    #[inline]
    pub fn event(&mut self, row: &BatchRow, sources: &'a [SourceId]) -> Event<'a> {
        if row.companions != self.companions || row.profile != self.profile {
            (self.companions, self.profile) = (row.companions, row.profile);
            self.last = (self.rows.sets.get(row.companions), self.rows.profile(row));
        }
        let (companions, profile) = self.last;
        Event { time: row.time, id: self.rows.id(row), companions, sources, profile }
    }
}
