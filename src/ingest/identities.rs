//! The identities of an event: which of the values that a format found count, and under which namespace.
//!
//! Junk is left out and counted, namespaces are interned, and one namespace has one value. Where an event spells a namespace in
//! several ways with different values, the spelling that is not all lower case wins: the web SDK that shops use sends its own
//! default, `sessionid`, beside the `sessionId` that the shop has set. Two values of the unique namespace are a conflict,
//! whatever their spelling, as are two values of spellings that are both all lower case, or both not.

use smallvec::SmallVec;

use crate::ingest::format::Task;
use crate::ingest::junk::{BEYOND_LIMIT, BOOLEAN, JunkCounts, LIST, NO_NAMESPACE, OBJECT};
use crate::ingest::reject::{Quoted, Reason, Reject};
use crate::model::event::EventId;
use crate::model::identity::{Value, canonical_uuid};
use crate::model::limits::{MAX_EVENT_ID_BYTES, MAX_IDENTITIES_PER_EVENT};
use crate::model::namespace::{NamespaceId, name_fault};

/// Spellings of namespaces that are known by their bytes. A log has two or three.
const MAX_SPELLINGS: usize = 16;

/// A value as a format found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A text, or a number as it is spelled.
    Text(&'a str),
    Boolean,
    List,
    Object,
}

/// The identities of an event in level order, lowest first.
pub(super) type KeptIdentities<'a> = SmallVec<[(NamespaceId, Value<'a>); 4]>;

/// Namespaces by their exact spelling, kept from event to event within a chunk.
#[derive(Debug, Default)]
pub(super) struct Spellings(SmallVec<[(Box<str>, NamespaceId); 4]>);

/// The identities among `found`: namespaces as they are spelled, with their values.
#[inline(always)]
pub(super) fn gather<'a>(
    task: &mut Task<'_>,
    spellings: &mut Spellings,
    found: impl Iterator<Item = (&'a str, Found<'a>)> + Clone,
) -> Result<KeptIdentities<'a>, Reject> {
    let mut kept = KeptIdentities::new();
    let mut differ = false;
    for (spelling, value) in found.clone() {
        let Found::Text(value) = value else {
            count_other(task.junk, value);
            continue;
        };
        let value = trim(value);
        if task.junk_list.catches(value, task.junk) {
            continue;
        }
        let Some(namespace) = spellings.namespace(task, spelling) else {
            count_without_namespace(task.junk, spelling);
            continue;
        };
        let value = Value::new(value);
        match kept.iter().find(|(known, _)| *known == namespace) {
            None => kept.push((namespace, value)),
            Some((_, first)) => differ |= *first != value,
        }
    }
    let gave_way = if differ { settle_spellings(task, spellings, found.clone(), &mut kept)? } else { 0 };
    if kept.is_empty() || kept.len() > MAX_IDENTITIES_PER_EVENT {
        return Err(unusable(task, kept.len(), found.count()));
    }
    if kept.len() > 1 {
        kept.sort_unstable_by(|a, b| task.namespaces.cmp(a.0, b.0));
    }
    task.tally.spellings += gave_way;
    Ok(kept)
}

impl Spellings {
    #[inline(always)]
    fn namespace(&mut self, task: &mut Task<'_>, spelling: &str) -> Option<NamespaceId> {
        match self.0.iter().find(|(known, _)| **known == *spelling) {
            Some(&(_, id)) => Some(id),
            None => self.new_spelling(task, spelling),
        }
    }

    #[inline(never)]
    fn new_spelling(&mut self, task: &mut Task<'_>, spelling: &str) -> Option<NamespaceId> {
        let id = if task.fields.name_namespace(spelling) {
            task.namespaces.intern_configured(spelling)
        } else {
            task.namespaces.intern(spelling)
        }?;
        if self.0.len() < MAX_SPELLINGS {
            self.0.push((spelling.into(), id));
        }
        Some(id)
    }
}

/// What the spellings of one namespace say: those that are not all lower case, and those that are.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    mixed: Option<Value<'a>>,
    lower: Option<Value<'a>>,
    /// Another value of a spelling that is all lower case.
    other: Option<Value<'a>>,
}

/// Settles which value each namespace has, where one has several, and says in how many of them a spelling gave way.
#[cold]
fn settle_spellings<'a>(
    task: &mut Task<'_>,
    spellings: &mut Spellings,
    found: impl Iterator<Item = (&'a str, Found<'a>)>,
    kept: &mut KeptIdentities<'a>,
) -> Result<u64, Reject> {
    // Junk was counted before.
    let mut counted = JunkCounts::new();
    let mut said: SmallVec<[Said<'a>; 4]> = SmallVec::from_elem(Said::default(), kept.len());
    for (spelling, value) in found {
        let Found::Text(value) = value else { continue };
        let value = trim(value);
        if task.junk_list.catches(value, &mut counted) {
            continue;
        }
        let Some(namespace) = spellings.namespace(task, spelling) else { continue };
        let mut settled = said.iter_mut().zip(&*kept);
        let Some((said, &(_, first))) = settled.find(|(_, (known, _))| *known == namespace) else { continue };
        let value = Value::new(value);
        if first != value && task.namespaces.is_unique(namespace) {
            return Err(conflict(task, namespace, first, value));
        }
        if !spelling.bytes().any(|byte| byte.is_ascii_uppercase()) {
            match said.lower {
                Some(known) if known != value => said.other = Some(value),
                _ => said.lower = Some(value),
            }
        } else if let Some(known) = said.mixed.filter(|known| *known != value) {
            return Err(conflict(task, namespace, known, value));
        } else {
            said.mixed = Some(value);
        }
    }
    let mut gave_way = 0;
    for (&said, (namespace, value)) in said.iter().zip(kept) {
        match said {
            Said { mixed: Some(mixed), lower, other } => {
                gave_way += u64::from(other.is_some() || lower.is_some_and(|lower| lower != mixed));
                *value = mixed;
            }
            Said { mixed: None, lower: Some(lower), other: Some(other) } => {
                return Err(conflict(task, *namespace, lower, other));
            }
            Said { mixed: None, .. } => {}
        }
    }
    Ok(gave_way)
}

/// `text` without white space around it. Most has none, and shows it in its first and last byte.
#[inline(always)]
pub(super) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

/// An `id` as it was told; `None` where it cannot be kept.
#[inline(always)]
pub(crate) fn usable_id(told: &str) -> Option<EventId<'_>> {
    let id = trim(told);
    if id.is_empty() || id.len() > MAX_EVENT_ID_BYTES {
        return None;
    }
    let other = || EventId::of_hash_text(id).unwrap_or(EventId::Text(id));
    Some(canonical_uuid(id).map_or_else(other, EventId::Uuid))
}

#[cold]
fn count_other(junk: &mut JunkCounts, found: Found<'_>) {
    junk.add(match found {
        Found::Text(text) => text,
        Found::Boolean => BOOLEAN,
        Found::List => LIST,
        Found::Object => OBJECT,
    });
}

#[cold]
fn count_without_namespace(junk: &mut JunkCounts, spelling: &str) {
    junk.add(if name_fault(spelling).is_some() { NO_NAMESPACE } else { BEYOND_LIMIT });
}

#[cold]
fn conflict(task: &Task<'_>, namespace: NamespaceId, first: Value<'_>, second: Value<'_>) -> Reject {
    let (name, first, second) = (task.namespaces.display(namespace), first.to_string(), second.to_string());
    let detail = format_args!("{name} is both {} and {}", Quoted(&first), Quoted(&second));
    Reject::new(Reason::Conflict, detail)
}

#[cold]
fn unusable(task: &Task<'_>, kept: usize, found: usize) -> Reject {
    let reject = |detail: &dyn std::fmt::Display| Reject::new(Reason::NoIdentity, detail);
    let paths = &task.identity_paths;
    let hold = if paths.len() == 1 { "holds" } else { "hold" };
    let paths = paths.join(" and ");
    match found {
        0 => reject(&format_args!("{paths} {hold} no text or number")),
        _ if kept == 0 => reject(&format_args!("every value of {paths} is junk")),
        _ => reject(&format_args!(
            "it has {kept} identities, and none is taken of more than {MAX_IDENTITIES_PER_EVENT}: so many are a mistake upstream"
        )),
    }
}
