//! Totals that are kept up: what one commit changes about them.
//!
//! Under the default reading an event's person and kind follow from where its anchor stands. So a commit adds the events that are new, and
//! changes what was counted of those stored under anchors that stand elsewhere than before, or that were delivered again. The digest is a
//! sum over its elements, of which those that go are taken away.

use std::cmp::Ordering;
use std::iter::Peekable;

use hashbrown::{HashMap, HashSet};
use rayon::prelude::*;

use crate::graph::{Applied, Graph};
use crate::model::counting::CountedIds;
use crate::model::digest::IdentityHash;
use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::model::link::Seen;
use crate::model::person::Standing;
use crate::model::profile::ProfilePart;
use crate::model::totals::Totals;
use crate::resolver::attribution::AnchorRule;
use crate::resolver::count::{IdentityHashes, TotalsCounter};
use crate::resolver::totals::IDENTITIES_A_TASK;
use crate::store::error::StoreError;
use crate::store::find::EventFinder;
use crate::store::scan::{Cursor, Events};

/// Stored events that a commit reads again for totals in any case: a few milliseconds.
const EVENTS_READ_AGAIN: u64 = 1 << 16;

/// Beside these, as many as this many times the events that it adds, and this share of all: where more changed hands, as when a log is
/// replayed in no order, it is cheaper to count everything once at the end.
const READ_AGAIN_AN_EVENT: u64 = 2;
const READ_AGAIN_SHARE: u64 = 16;

/// Anchors that one task reads again: neighbours lie in the same blocks.
const ANCHORS_A_TASK: usize = 256;

/// Pieces of a scan a thread: enough that one slow piece does not leave the others idle.
const PIECES_PER_THREAD: usize = 8;

/// Events on their way into the store, as they count. Some of them may be stored already.
pub(crate) trait Arriving: Sync {
    /// The events of an anchor, ascending by [`Event::key`]: each once, with the greatest of its parts of segments and traits.
    type Events<'a>: Iterator<Item = Event<'a>> + Clone
    where
        Self: 'a;

    /// A piece: anchors, ascending, each with its events.
    type Piece<'a>: Iterator<Item = (IdentityId, Self::Events<'a>)> + Send
    where
        Self: 'a;

    /// Pieces of all events, about `count`: those of one anchor are in one piece.
    fn pieces(&self, count: usize) -> Vec<Self::Piece<'_>>;
}

/// A commit that is not durable yet, as far as it changes totals.
pub(crate) struct Drafted<'c, A> {
    /// The graph with it.
    pub graph: &'c Graph,
    /// What it changed there.
    pub applied: &'c Applied,
    /// When identities were seen in its events that are new, ascending.
    pub seen: &'c [(IdentityId, Seen)],
    /// The events that it adds.
    pub events: &'c A,
    /// The events as they were stored before.
    pub stored: &'c Events,
}

/// The totals with a commit, where `before` were those without it; `None` where that is cheaper counted from the beginning. Costs what the
/// commit changes.
///
/// # Errors
/// When stored events cannot be read.
pub(crate) fn totals_with<A: Arriving>(before: Totals, drafted: &Drafted<'_, A>) -> Result<Option<Totals>, StoreError> {
    let Drafted { graph, applied, seen, events, .. } = *drafted;
    let moved = moved(graph, applied, seen);
    let added: u64 = seen.iter().map(|row| row.1.events).sum();
    let room = EVENTS_READ_AGAIN + READ_AGAIN_AN_EVENT * added + before.attribution.events() / READ_AGAIN_SHARE;
    if moved.values().map(|anchor| anchor.events).sum::<u64>() > room {
        return Ok(None);
    }
    let new = applied.identities as u32..graph.identities().len() as u32;
    let hashes: Vec<IdentityHash> = new.into_par_iter().map(|id| graph.hash(IdentityId(id))).collect();
    let tally = TotalsDifference { drafted, moved: &moved, hashes: &hashes };
    let pieces = events.pieces(rayon::current_num_threads() * PIECES_PER_THREAD);
    let of_pieces = pieces.into_par_iter().map(|piece| tally.of_arriving(piece));
    let pieces: Vec<(TotalsChange, Vec<IdentityId>)> = of_pieces.collect::<Result<_, _>>()?;
    let mut change = tally.of_identities();
    let mut read: HashSet<IdentityId> = HashSet::new();
    for (piece, anchors) in pieces {
        change = change.with(piece);
        read.extend(anchors);
    }
    let mut unread: Vec<IdentityId> = moved.keys().copied().filter(|anchor| !read.contains(anchor)).collect();
    unread.sort_unstable();
    let rest: Vec<TotalsChange> =
        unread.par_chunks(ANCHORS_A_TASK).map(|anchors| tally.of_stored(anchors)).collect::<Result<_, _>>()?;
    let change = rest.into_iter().fold(change, TotalsChange::with);
    Ok(Some(before.with(change.gained).without(change.lost)))
}

/// The totals of these people and events, counted from the beginning under the default reading: what a commit ends with that writes events
/// again. `of` gives the number that an identity of the events has in the graph.
///
/// # Errors
/// When the events cannot be read.
pub(crate) fn totals_of(
    graph: &Graph,
    events: &Events,
    of: impl Fn(IdentityId) -> IdentityId + Sync,
) -> Result<Totals, StoreError> {
    let ids = 0..graph.identities().len() as u32;
    let hashes: Vec<IdentityHash> = ids.into_par_iter().map(|id| graph.hash(IdentityId(id))).collect();
    let counter = || TotalsCounter::new(IdentityHashes::of_last(graph, &hashes));
    let met = graph.met_by_all();
    let mut identities = counter();
    for id in graph.identities().ids().filter(|&id| graph.is_known(id)) {
        identities.identity(id, graph.person(id));
        identities.totals.shared_sessions += u64::from(graph.is_session(id) && met[id.index()].several());
    }
    let count = |piece| {
        let (mut counter, mut scan) = (counter(), events.scan(piece));
        let mut companions: CountedIds = CountedIds::new();
        while let Some(group) = scan.next()? {
            let anchor = of(group.anchor());
            let rule = AnchorRule::by_standing(graph, anchor, graph.standing(anchor));
            for event in group.events() {
                companions.clear();
                companions.extend(event.companions.iter().map(|&id| of(id)));
                counter.events(anchor, &rule, [Event { companions: &companions, ..event }]);
            }
        }
        Ok(counter.totals)
    };
    let pieces = events.pieces(rayon::current_num_threads() * PIECES_PER_THREAD).into_par_iter();
    let events = pieces.map(count).try_reduce(Totals::default, |a, b| Ok::<_, StoreError>(a.with(b)))?;
    Ok(events.with(identities.totals))
}

/// Where an anchor stood that stands elsewhere now, and how many events were stored under it.
#[derive(Debug, Clone, Copy)]
struct MovedAnchor {
    stood: Standing,
    events: u64,
}

/// The anchors of stored events that stand elsewhere than before.
fn moved(graph: &Graph, applied: &Applied, seen: &[(IdentityId, Seen)]) -> HashMap<IdentityId, MovedAnchor> {
    let moved = |(&id, stood): (&IdentityId, &Option<Standing>)| {
        let stood = stood.filter(|&stood| stood != graph.standing(id))?;
        let added = seen.binary_search_by_key(&id, |row| row.0).map_or(0, |at| seen[at].1.events);
        let events = graph.seen(id).events - added;
        (events > 0).then_some((id, MovedAnchor { stood, events }))
    };
    applied.before.iter().filter_map(moved).collect()
}

/// What is to be added to totals, and what is to be taken away.
#[derive(Debug, Clone, Copy, Default)]
struct TotalsChange {
    gained: Totals,
    lost: Totals,
}

impl TotalsChange {
    fn with(self, other: Self) -> Self {
        Self { gained: self.gained.with(other.gained), lost: self.lost.with(other.lost) }
    }
}

/// Finds out what a commit changes, part by part.
struct TotalsDifference<'c, A> {
    drafted: &'c Drafted<'c, A>,
    moved: &'c HashMap<IdentityId, MovedAnchor>,
    /// Of the new identities.
    hashes: &'c [IdentityHash],
}

impl<'c, A: Arriving> TotalsDifference<'c, A> {
    fn counters(&self) -> Counters<'c> {
        let counter = || TotalsCounter::new(IdentityHashes::of_last(self.drafted.graph, self.hashes));
        Counters { graph: self.drafted.graph, gained: counter(), lost: counter() }
    }

    /// The rule for the events of an anchor, with the commit.
    fn rule(&self, anchor: IdentityId) -> AnchorRule<'c> {
        AnchorRule::by_standing(self.drafted.graph, anchor, self.drafted.graph.standing(anchor))
    }

    /// What changes about identities: those that are new, and those that belong to others than before.
    fn of_identities(&self) -> TotalsChange {
        let Drafted { graph, applied, .. } = *self.drafted;
        let known = applied.before.iter().map(|(&id, &stood)| (id, stood));
        let new = (applied.identities as u32..graph.identities().len() as u32).map(|id| (IdentityId(id), None));
        let all: Vec<(IdentityId, Option<Standing>)> = known.chain(new).collect();
        let tasks = all.par_chunks(IDENTITIES_A_TASK).map(|identities| {
            let mut counters = self.counters();
            for &(id, stood) in identities {
                let stands = graph.is_known(id).then(|| graph.standing(id));
                if stood != stands {
                    stood.into_iter().for_each(|stood| counters.lost.identity(id, stood.person));
                    stands.into_iter().for_each(|stands| counters.gained.identity(id, stands.person));
                }
            }
            counters.change()
        });
        let mut change = tasks.reduce(TotalsChange::default, TotalsChange::with);
        let sharing = graph.sharing_since(applied);
        change.gained.shared_sessions += sharing.gained;
        change.lost.shared_sessions += sharing.lost;
        change
    }

    /// What changes about the events of some anchors, by those that arrive; and which anchors that stand elsewhere were among them.
    fn of_arriving<'e>(
        &self,
        piece: impl Iterator<Item = (IdentityId, impl Iterator<Item = Event<'e>> + Clone)>,
    ) -> Result<(TotalsChange, Vec<IdentityId>), StoreError> {
        let Drafted { graph, seen, stored, .. } = *self.drafted;
        let (mut counters, mut read) = (self.counters(), Vec::new());
        let (mut cursor, mut finder): (Cursor, EventFinder) = (stored.cursor(), EventFinder::new(stored));
        let mut rest: Option<&[(IdentityId, Seen)]> = None;
        for (anchor, events) in piece {
            let from = rest.unwrap_or_else(|| &seen[seen.partition_point(|row| row.0 < anchor)..]);
            let from = &from[from.iter().take_while(|row| row.0 < anchor).count()..];
            rest = Some(from);
            let added = from.first().filter(|row| row.0 == anchor).map_or(0, |row| row.1.events);
            // Those that are stored already, and only come from another source or with other traits, are not counted in what was seen.
            let is_all_new = graph.seen(anchor).events == added || events.clone().count() as u64 == added;
            match self.moved.get(&anchor) {
                Some(moved) => {
                    counters.move_all(anchor, moved.stood, cursor.group(anchor)?.events(), events);
                    read.push(anchor);
                }
                None if is_all_new => counters.gained.events(anchor, &self.rule(anchor), events),
                None => counters.deliver(anchor, &self.rule(anchor), events, &mut finder)?,
            }
        }
        Ok((counters.change(), read))
    }

    /// What changes about the stored events of anchors that stand elsewhere, of which no event arrives.
    fn of_stored(&self, anchors: &[IdentityId]) -> Result<TotalsChange, StoreError> {
        let mut counters = self.counters();
        let mut stored = self.drafted.stored.cursor();
        for anchor in anchors {
            let Some(moved) = self.moved.get(anchor) else { continue };
            counters.move_all(*anchor, moved.stood, stored.group(*anchor)?.events(), std::iter::empty());
        }
        Ok(counters.change())
    }
}

/// Counts what comes, and what goes.
struct Counters<'c> {
    graph: &'c Graph,
    gained: TotalsCounter<'c>,
    lost: TotalsCounter<'c>,
}

impl Counters<'_> {
    fn change(self) -> TotalsChange {
        TotalsChange { gained: self.gained.totals, lost: self.lost.totals }
    }

    /// Counts the events of an anchor that stood elsewhere, those that were stored and those that arrive; each ascends, an event is in each
    /// once.
    fn move_all<'s, 'e: 's>(
        &mut self,
        anchor: IdentityId,
        stood: Standing,
        stored: impl Iterator<Item = Event<'s>>,
        arriving: impl Iterator<Item = Event<'e>>,
    ) {
        let now = AnchorRule::by_standing(self.graph, anchor, self.graph.standing(anchor));
        let then = AnchorRule::by_standing(self.graph, anchor, stood);
        let (mut lost, mut gained) = (Vec::new(), Vec::new());
        let arriving = arriving.map(|event: Event<'e>| -> Event<'s> { event });
        let (mut stored, mut arriving) = (stored.peekable(), arriving.peekable());
        while let Some((old, new)) = next_of(&mut stored, &mut arriving) {
            lost.extend(old);
            gained.extend(match (old, new) {
                // Of several parts of segments and traits it has the greatest.
                (Some(old), Some(new)) => Some(Event { profile: old.profile.max(new.profile), ..old }),
                (old, new) => new.or(old),
            });
        }
        self.lost.events(anchor, &then, lost);
        self.gained.events(anchor, &now, gained);
    }

    /// Counts the events of an anchor that arrive, some of which are stored: these are found where they lie, however many are stored. They
    /// count as before, but for segments and traits that are greater than those known.
    fn deliver<'e>(
        &mut self,
        anchor: IdentityId,
        rule: &AnchorRule<'_>,
        arriving: impl Iterator<Item = Event<'e>>,
        stored: &mut EventFinder,
    ) -> Result<(), StoreError> {
        let arriving: Vec<Event<'_>> = arriving.collect();
        let mut known: Vec<Option<[String; 2]>> = vec![None; arriving.len()];
        stored.find(anchor, &arriving, |at, old| {
            let ProfilePart { segments, traits } = old.profile;
            if known[at].as_ref().is_none_or(|greatest| part(greatest) < old.profile) {
                known[at] = Some([segments, traits].map(str::to_owned));
            }
        })?;
        for (&event, known) in arriving.iter().zip(&known) {
            let known = known.as_ref().map(part);
            if known.is_none_or(|known| known < event.profile) {
                let old = known.map(|profile| Event { profile, ..event });
                self.lost.events(anchor, rule, old);
                self.gained.events(anchor, rule, [event]);
            }
        }
        Ok(())
    }
}

fn part([segments, traits]: &[String; 2]) -> ProfilePart<'_> {
    ProfilePart { segments, traits }
}

/// The next event of two sequences that ascend, from either or from both.
fn next_of<'e>(
    stored: &mut Peekable<impl Iterator<Item = Event<'e>>>,
    arriving: &mut Peekable<impl Iterator<Item = Event<'e>>>,
) -> Option<(Option<Event<'e>>, Option<Event<'e>>)> {
    let order = match (stored.peek(), arriving.peek()) {
        (Some(old), Some(new)) => old.key().cmp(&new.key()),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => return None,
    };
    Some((if order.is_le() { stored.next() } else { None }, if order.is_ge() { arriving.next() } else { None }))
}
