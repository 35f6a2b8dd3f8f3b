//! The identity table: every (namespace, value) once, numbered in the order of meeting.

use smallvec::SmallVec;

use crate::model::identity::{IdentityId, Value};
use crate::model::namespace::NamespaceId;
use crate::model::places::{AHEAD, Places};
use crate::model::seed;

/// An odd number without a pattern: the golden ratio.
const NAMESPACE_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Numbers identities densely from 0, in the order of meeting.
///
/// One type for all sizes: that of a chunk, of a batch, of a store. An empty one allocates nothing, and [`clear`](Self::clear)
/// keeps the room. An identity costs 26 to 31 bytes, and its text where it is no UUID.
/// The caller keeps [`len`](Self::len) within [`MAX_IDENTITIES`](crate::model::limits::MAX_IDENTITIES).
///
/// Ids are places in this table: asking for the namespace or value of an id it never gave panics, as indexing does.
#[derive(Debug, Clone, Default)]
pub struct Interner {
    records: Vec<Record>,
    /// The values that are no UUIDs, one after the other.
    texts: String,
    /// The place of every record, by the hash of its identity.
    table: Places,
}

/// An identity in 20 bytes.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// The UUID, or start and length in `texts`.
    cell: [u8; 16],
    namespace: NamespaceId,
    uuid: bool,
}

/// Identities that are loaded, one after the other, in no table yet.
#[derive(Debug, Default)]
pub struct IdentityColumn {
    records: Vec<Record>,
    texts: String,
}

impl IdentityColumn {
    /// Makes room for `more` of them.
    pub fn reserve(&mut self, more: usize) {
        self.records.reserve_exact(more);
    }

    /// Adds the next one.
    pub fn push(&mut self, namespace: NamespaceId, value: Value<'_>) {
        self.records.push(Record::new(namespace, value, &mut self.texts));
    }

    /// Adds those of another, which is left empty and keeps its room.
    pub fn append(&mut self, other: &mut Self) {
        let texts = self.texts.len();
        self.records.extend(other.records.drain(..).map(|record| record.behind(texts)));
        self.texts.push_str(&other.texts);
        other.texts.clear();
    }
}

impl Record {
    /// That of an identity; its text, if it has one, is put at the end of `texts`.
    fn new(namespace: NamespaceId, value: Value<'_>, texts: &mut String) -> Self {
        let (cell, uuid) = match value {
            Value::Uuid(bytes) => (bytes, true),
            Value::Text(text) => {
                let start = texts.len() as u64;
                texts.push_str(text);
                (place(start, text.len() as u64), false)
            }
        };
        Self { cell, namespace, uuid }
    }

    /// The same where the texts lie behind others.
    fn behind(mut self, texts: usize) -> Self {
        if !self.uuid {
            let range = range(&self);
            self.cell = place((range.start + texts) as u64, range.len() as u64);
        }
        self
    }
}

impl Interner {
    /// Those of a column, none of which occurs twice.
    pub fn of(column: IdentityColumn) -> Self {
        let all = Self::unindexed(column);
        let table = all.table_of(all.len());
        all.indexed(table)
    }

    /// The same, in no table yet: until they are, none of them is [found](Self::get).
    pub(super) fn unindexed(IdentityColumn { records, texts }: IdentityColumn) -> Self {
        Self { records, texts, table: Places::default() }
    }

    /// The table of all identities, with room for `room`. Each is hashed again, which costs less than the memory of the hashes.
    pub(super) fn table_of(&self, room: usize) -> Places {
        Places::of(room, self.ids().map(|id| hash(self.namespace(id), &self.value(id))))
    }

    /// The same with its table.
    pub(super) fn indexed(self, table: Places) -> Self {
        Self { table, ..self }
    }

    /// An empty table; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many identities it holds; their ids are the numbers below it.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.records.clear();
        self.texts.clear();
        self.table.clear();
    }

    /// The id of an identity, if it was met.
    pub fn get(&self, namespace: NamespaceId, value: Value<'_>) -> Option<IdentityId> {
        let hash = hash(namespace, &value);
        self.table.find(hash, |at| same(&self.records, &self.texts, at, namespace, &value)).map(IdentityId)
    }

    /// The ids of several, as [`get`](Self::get) gives each, are appended to `ids`.
    ///
    /// Step by step for all of them, so that no place in memory is waited for before the next is asked for.
    pub fn get_each<'v>(
        &self,
        identities: impl Iterator<Item = (NamespaceId, Value<'v>)>,
        ids: &mut Vec<Option<IdentityId>>,
    ) {
        let hashed = |(namespace, value)| (namespace, value, hash(namespace, &value));
        let hashed: Vec<(NamespaceId, Value<'v>, u64)> = identities.map(hashed).collect();
        self.table.fetch(hashed.iter().map(|&(_, _, hash)| hash));
        let start = ids.len();
        // The first place that may be it, which nearly always is.
        ids.extend(hashed.iter().map(|&(_, _, hash)| self.table.find(hash, |_| true).map(IdentityId)));
        for (id, (namespace, value, _)) in ids[start..].iter_mut().zip(&hashed) {
            if id.is_some_and(|id| !same(&self.records, &self.texts, id.0, *namespace, value)) {
                *id = self.get(*namespace, *value);
            }
        }
    }

    /// The id of an identity, made when new.
    pub fn intern(&mut self, namespace: NamespaceId, value: Value<'_>) -> IdentityId {
        self.intern_hashed(namespace, value, hash(namespace, &value))
    }

    #[inline]
    fn intern_hashed(&mut self, namespace: NamespaceId, value: Value<'_>, hash: u64) -> IdentityId {
        if self.table.is_full() {
            self.grow(self.table.next_room());
        }
        let Self { records, texts, table } = self;
        let (at, new) = table.find_or_add(hash, |at| same(records, texts, at, namespace, &value));
        if new {
            records.push(Record::new(namespace, value, texts));
        }
        IdentityId(at)
    }

    /// Appends `other`, none of which may be known: its ids move up by [`len`](Self::len).
    /// Otherwise nothing changes, and the first one known is returned.
    pub(super) fn append(&mut self, other: Interner) -> Result<(), IdentityId> {
        if self.is_empty() {
            *self = other;
            return Ok(());
        }
        let before = self.len();
        self.records.reserve(other.len());
        let mut ids = other.ids();
        loop {
            let hashed = |id| (id, hash(other.namespace(id), &other.value(id)));
            let block: SmallVec<[(IdentityId, u64); AHEAD]> = ids.by_ref().take(AHEAD).map(hashed).collect();
            if block.is_empty() {
                return Ok(());
            }
            self.table.fetch(block.iter().map(|&(_, hash)| hash));
            for &(id, hash) in &block {
                let here = self.intern_hashed(other.namespace(id), other.value(id), hash);
                if here.index() != before + id.index() {
                    self.truncate(before);
                    return Err(here);
                }
            }
        }
    }

    /// The namespace of an identity.
    pub fn namespace(&self, id: IdentityId) -> NamespaceId {
        self.records[id.index()].namespace
    }

    /// The value of an identity.
    pub fn value(&self, id: IdentityId) -> Value<'_> {
        let record = &self.records[id.index()];
        if record.uuid { Value::Uuid(record.cell) } else { Value::Text(&self.texts[range(record)]) }
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = IdentityId> + use<> {
        (0..self.len() as u32).map(IdentityId)
    }

    /// Forgets all but the first `len`. Costs a rebuild of the table: for what should not happen.
    fn truncate(&mut self, len: usize) {
        let texts = self.records[len..].iter().find(|record| !record.uuid).map(|record| range(record).start);
        self.texts.truncate(texts.unwrap_or(self.texts.len()));
        self.records.truncate(len);
        self.grow(len);
    }

    fn grow(&mut self, room: usize) {
        // The old one goes first: there is room for one.
        self.table = Places::default();
        self.table = self.table_of(room);
    }
}

fn hash(namespace: NamespaceId, value: &Value<'_>) -> u64 {
    let bytes = match value {
        Value::Uuid(bytes) => bytes.as_slice(),
        Value::Text(text) => text.as_bytes(),
    };
    // One value in several namespaces lands in several places; within one, the seeded hash decides alone.
    seed::hash(bytes).wrapping_add(u64::from(namespace.0).wrapping_mul(NAMESPACE_STEP))
}

fn same(records: &[Record], texts: &str, at: u32, namespace: NamespaceId, value: &Value<'_>) -> bool {
    let record = &records[at as usize];
    record.namespace == namespace
        && match value {
            Value::Uuid(bytes) => record.uuid && record.cell == *bytes,
            Value::Text(text) => !record.uuid && texts.as_bytes()[range(record)] == *text.as_bytes(),
        }
}

fn place(start: u64, length: u64) -> [u8; 16] {
    (u128::from(start) | u128::from(length) << 64).to_le_bytes()
}

fn range(record: &Record) -> std::ops::Range<usize> {
    let place = u128::from_le_bytes(record.cell);
    let start = place as u64 as usize;
    start..start + (place >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: NamespaceId = NamespaceId::SESSION;
    const OTHER: NamespaceId = NamespaceId(3);

    fn text(number: usize) -> String {
        match number % 3 {
            0 => format!("{number:08x}-6994-41e2-875d-97ec4d19254b"),
            1 => number.to_string(),
            _ => format!("ä value of more than sixteen bytes {number}"),
        }
    }

    #[test]
    fn numbers_in_the_order_of_meeting_and_gives_back_what_went_in() {
        let mut all = Interner::new();
        for round in 0..2 {
            for number in 0..5_000 {
                let id = all.intern(NS, Value::new(&text(number)));
                assert_eq!(id.index(), number, "round {round}");
            }
        }
        assert_eq!(all.len(), 5_000);
        for id in all.ids() {
            assert_eq!(all.value(id).to_string(), text(id.index()));
            assert_eq!(all.get(NS, all.value(id)), Some(id));
            assert_eq!(all.get(OTHER, all.value(id)), None, "another namespace is another identity");
        }
        assert_eq!(all.intern(OTHER, Value::new("1")).index(), 5_000);
        assert_eq!(all.namespace(IdentityId(5_000)), OTHER);
    }

    #[test]
    fn one_value_in_many_namespaces_is_many_identities() {
        let mut all = Interner::new();
        for namespace in 0..256 {
            assert_eq!(all.intern(NamespaceId(namespace), Value::new("a")), IdentityId(u32::from(namespace)));
        }
    }

    #[test]
    fn a_text_is_never_the_uuid_of_its_bytes() {
        let mut all = Interner::new();
        let text = all.intern(NS, Value::Text("sixteen bytes it"));
        let uuid = all.intern(NS, Value::Uuid(*b"sixteen bytes it"));
        assert_ne!(text, uuid);
    }

    #[test]
    fn cleared_it_starts_again() {
        let mut all = Interner::new();
        all.intern(NS, Value::new("a"));
        all.clear();
        assert_eq!((all.len(), all.get(NS, Value::new("a"))), (0, None));
        assert_eq!(all.intern(NS, Value::new("b")), IdentityId(0));
        assert_eq!(all.value(IdentityId(0)), Value::new("b"));
    }

    #[test]
    fn a_failed_append_changes_nothing() {
        let (mut all, mut part) = (Interner::new(), Interner::new());
        for value in ["a", &text(0), "b"] {
            all.intern(NS, Value::new(value));
        }
        for value in [&text(3), "new", "b"] {
            part.intern(NS, Value::new(value));
        }
        assert_eq!(all.append(part), Err(IdentityId(2)));
        assert_eq!((all.len(), all.texts.as_str()), (3, "ab"));
        assert_eq!(all.get(NS, Value::new("new")), None);
        assert_eq!(all.intern(NS, Value::new("later")), IdentityId(3));
        assert_eq!(all.value(IdentityId(2)), Value::new("b"));
        assert_eq!(all.value(IdentityId(3)), Value::new("later"));
    }
}
