//! The identity table: every (namespace, value) once, numbered in the order of meeting.

use smallvec::SmallVec;

use crate::model::identity::{IdentityId, Value};
use crate::model::limits::MAX_NAMESPACES;
use crate::model::namespace::NamespaceId;
use crate::model::places::{AHEAD, Places};
use crate::model::seed;

/// An odd number without a pattern: the golden ratio.
const NAMESPACE_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Numbers identities densely from 0, in the order of meeting.
///
/// One type for all sizes: that of a chunk, of a batch, of a store. An empty one allocates nothing, and [`clear`](Self::clear)
/// keeps the room. An identity costs 24 to 27 bytes, and its text unless it is a UUID.
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

/// An identity in 18 bytes.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// The UUID, or start and length in `texts`.
    cell: [u8; 16],
    /// Twice the namespace, plus one for a UUID.
    sort: u16,
}

const _: () = assert!(size_of::<Record>() == 18);

/// Stands for every namespace that no store can have, which a record has no bits for.
const NO_NAMESPACE: u16 = u16::MAX >> 1;

const _: () = assert!(2 * MAX_NAMESPACES < NO_NAMESPACE as usize);

/// An identity to look up, with its hash, which is the same for every [`Interner`] of a process.
#[derive(Debug, Clone, Copy)]
pub struct Hashed<'v> {
    namespace: NamespaceId,
    value: Value<'v>,
    hash: u64,
}

impl<'v> Hashed<'v> {
    /// Hashes an identity.
    #[inline]
    pub fn new(namespace: NamespaceId, value: Value<'v>) -> Self {
        Self { namespace, value, hash: hash(namespace, &value) }
    }
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
        Self { cell, sort: namespace.0.min(NO_NAMESPACE) << 1 | u16::from(uuid) }
    }

    fn namespace(&self) -> NamespaceId {
        NamespaceId(self.sort >> 1)
    }

    fn is_uuid(&self) -> bool {
        self.sort & 1 != 0
    }

    /// The same where the texts lie behind others.
    fn behind(mut self, texts: usize) -> Self {
        if !self.is_uuid() {
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
        self.find(&Hashed::new(namespace, value))
    }

    /// The ids of several, as [`get`](Self::get) gives each, are appended to `ids`.
    ///
    /// Step by step for all of them, so that no place in memory is waited for before the next is asked for.
    pub fn get_each(&self, wanted: &[Hashed<'_>], ids: &mut Vec<Option<IdentityId>>) {
        self.fetch(wanted);
        let start = ids.len();
        // The first place that may be it, which nearly always is.
        ids.extend(wanted.iter().map(|wanted| self.table.find(wanted.hash, |_| true).map(IdentityId)));
        for (id, wanted) in ids[start..].iter_mut().zip(wanted) {
            if id.is_some_and(|id| !self.is(id.0, wanted)) {
                *id = self.find(wanted);
            }
        }
    }

    /// Asks for the memory of all of these before one is looked for. A hint: nothing comes of it.
    pub fn fetch(&self, wanted: &[Hashed<'_>]) {
        self.table.fetch(wanted.iter().map(|wanted| wanted.hash));
    }

    /// The id of an identity, made when new.
    pub fn intern(&mut self, namespace: NamespaceId, value: Value<'_>) -> IdentityId {
        self.intern_hashed(&Hashed::new(namespace, value))
    }

    /// The same of one that is hashed already.
    #[inline]
    pub fn intern_hashed(&mut self, wanted: &Hashed<'_>) -> IdentityId {
        if self.table.is_full() {
            self.grow(self.table.next_room());
        }
        let Self { records, texts, table } = self;
        let (at, new) = table.find_or_add(wanted.hash, |at| same(records, texts, at, wanted));
        if new {
            records.push(Record::new(wanted.namespace, wanted.value, texts));
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
            let hashed = |id| Hashed::new(other.namespace(id), other.value(id));
            let block: SmallVec<[Hashed<'_>; AHEAD]> = ids.by_ref().take(AHEAD).map(hashed).collect();
            if block.is_empty() {
                return Ok(());
            }
            self.fetch(&block);
            for new in &block {
                let next = self.len();
                let here = self.intern_hashed(new);
                if here.index() != next {
                    self.truncate(before);
                    return Err(here);
                }
            }
        }
    }

    /// The namespace of an identity.
    pub fn namespace(&self, id: IdentityId) -> NamespaceId {
        self.records[id.index()].namespace()
    }

    /// The value of an identity.
    pub fn value(&self, id: IdentityId) -> Value<'_> {
        let record = &self.records[id.index()];
        if record.is_uuid() { Value::Uuid(record.cell) } else { Value::Text(&self.texts[range(record)]) }
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = IdentityId> + use<> {
        (0..self.len() as u32).map(IdentityId)
    }

    /// Forgets all but the first `len`. Costs a rebuild of the table: for what should not happen.
    fn truncate(&mut self, len: usize) {
        let texts = self.records[len..].iter().find(|record| !record.is_uuid()).map(|record| range(record).start);
        self.texts.truncate(texts.unwrap_or(self.texts.len()));
        self.records.truncate(len);
        self.grow(len);
    }

    fn find(&self, wanted: &Hashed<'_>) -> Option<IdentityId> {
        self.table.find(wanted.hash, |at| self.is(at, wanted)).map(IdentityId)
    }

    fn is(&self, at: u32, wanted: &Hashed<'_>) -> bool {
        same(&self.records, &self.texts, at, wanted)
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

fn same(records: &[Record], texts: &str, at: u32, wanted: &Hashed<'_>) -> bool {
    let record = &records[at as usize];
    record.namespace() == wanted.namespace
        && match wanted.value {
            Value::Uuid(bytes) => record.is_uuid() && record.cell == bytes,
            Value::Text(text) => !record.is_uuid() && texts.as_bytes()[range(record)] == *text.as_bytes(),
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
    fn a_namespace_that_no_store_has_is_never_taken_for_another() {
        for namespace in [NO_NAMESPACE, NO_NAMESPACE + 1, NO_NAMESPACE + 3, u16::MAX] {
            let mut all = Interner::new();
            let id = all.intern(NamespaceId(namespace), Value::new("a"));
            assert_eq!(all.namespace(id), NamespaceId(NO_NAMESPACE));
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
