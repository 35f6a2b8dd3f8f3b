//! Erasing identities: nothing that names them is left, and nothing brings them back.
//!
//! 1. The stored events that carry any of them are found, and the texts that tell their values.
//! 2. What follows from the events that are left is reduced again, and so are the people; links that would give what is left of a person
//!    to somebody else are [cut](cuts).
//! 3. The difference between the two is the change feed's; what the feed and the history said of them is blanked.
//! 4. The store is [rewritten](crate::store::erase), with tombstones.

mod cuts;
mod escapes;
mod fall;
#[cfg(feature = "serve")]
mod logged;
mod targets;
pub(crate) mod texts;
mod traces;

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use serde::Serialize;

use crate::engine::changes::{all_sessions, difference, stored_changes};
use crate::engine::commit::Committer;
use crate::engine::consent::named;
use crate::engine::count::counted;
use crate::engine::erase::fall::Fall;
use crate::engine::erase::targets::Targets;
use crate::engine::erase::texts::TellTale;
use crate::engine::erase::traces::Traces;
use crate::engine::people;
use crate::graph::Graph;
use crate::model::barred::{BarHash, IdentityBar};
use crate::model::error::Result;
use crate::model::event::Event;
use crate::model::history::{Overwritten, Sequence, StoredChange};
use crate::model::identity::{Identity, IdentityId};
use crate::model::settings::Settings;
use crate::model::source::Source;
use crate::model::time::Time;
use crate::model::totals::Totals;
use crate::model::writing::{text, text_or_null, texts};
use crate::resolver::View;
use crate::resolver::kept::totals_of;
use crate::resolver::kept_erased::{Left, totals_left};
use crate::store::Store;
use crate::store::barred::{BarRow, Tombstone, hash_text};
use crate::store::erase::{Erasure, KeptEvent};
use crate::store::erased::Erased;
use crate::store::retract::Fate;

pub use crate::engine::erase::targets::Forget;

/// Identities that are named in an answer at most, of those whose values contain an erased one.
const NAMED: usize = 100;

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Forgotten {
    /// The identities that were erased, those among them that the store did not hold too: their events are not taken in any more.
    pub identities: u64,
    /// Events that went.
    pub events: u64,
    /// Texts that told an erased value: ids of other events and names of sources, which have a mark in their place; segments, traits and positions
    /// that were pushed, which are gone.
    pub texts: u64,
    /// Links that count as never seen from now on, since they would have given what is left of a person to somebody else.
    pub unlinked: u64,
    /// Changes that it added to the feed.
    pub changes: u64,
    /// The number of the last change of the feed.
    pub sequence: Sequence,
    /// Other identities whose values contain an erased one, and stay: the first hundred.
    #[serde(serialize_with = "texts")]
    pub containing: Vec<Identity>,
    /// How many there are.
    pub containing_count: u64,
    /// Settings of the store that contain an erased value, and stay, since they decide how events are read.
    pub settings: Vec<String>,
}

/// An identity that was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TombstoneRow {
    /// Its keyed hash.
    pub hash: BarHash,
    /// The last moment of which its events are not taken in; none where that is for good.
    #[serde(serialize_with = "text_or_null")]
    pub until: Option<Time>,
    /// When it was erased.
    #[serde(serialize_with = "text")]
    pub at: Time,
}

/// The identities that were erased, by the moment.
pub fn tombstones(store: &Store) -> Vec<TombstoneRow> {
    let row = |(hash, Tombstone { until, at, .. })| TombstoneRow {
        hash,
        until: Some(until).filter(|&until| until != IdentityBar::FOR_GOOD),
        at,
    };
    let mut rows: Vec<TombstoneRow> = store.barred().tombstones().map(row).collect();
    rows.sort_by_key(|row| (row.at, row.hash));
    rows
}

impl Committer<'_> {
    /// Erases identities; in a dry run it only says what would go.
    pub fn forget(&mut self, forget: &Forget, dry_run: bool) -> Result<Forgotten> {
        let view = self.resolver.view();
        let targets = Targets::of(view.graph(), forget)?;
        let traces = Traces::of(&view, self.store, &targets)?;
        let kept: KeptEvent<'_> = &|anchor, event| traces.kept(&targets, anchor, event);
        let before = view.graph();
        let count = |anchor, event: &Event<'_>| counted(before, before.counting(), anchor, event);
        // Where events count otherwise than they were written, what counts is written out once.
        let renamed: KeptEvent<'_> = &|_, event| Some(traces.renamed(event));
        let fate = |anchor, event: &Event<'_>| match targets.take(anchor, event) {
            true => Fate::Goes,
            false => Fate::Stays,
        };
        let rewritten = match before.counting().is_empty() {
            true => None,
            false => self.store.rewrite(fate, count, false)?,
        };
        let (over, as_counted) = match &rewritten {
            Some(rewritten) => (view.over(rewritten.after.clone()), renamed),
            None => (view.clone(), kept),
        };
        let fall = Fall::of(&over, &traces.found.affected, as_counted)?;
        let gone = fall.gone(before, &targets, &traces.staying);
        let unnamed = Fall::unnamed(before, &targets, &gone);
        let changes = self.changes(&over, &fall, &gone, &unnamed, as_counted)?;
        let hidden = |told: &str| traces.tale.is_in(told).then(|| hash_text(&traces.key, told));
        let (told, pushed) = texts_told(view.sources(), &traces, hidden);
        let mut forgotten = Forgotten {
            identities: targets.named.len() as u64,
            events: traces.found.written.len() as u64,
            texts: told.len() as u64 + pushed,
            unlinked: fall.cuts.len() as u64,
            changes: changes.len() as u64,
            settings: told_by_settings(self.store.settings(), before, &traces.tale),
            ..Forgotten::default()
        };
        name_containing(before, &gone, &traces.tale, &mut forgotten);
        if dry_run {
            return Ok(Forgotten { sequence: self.store.sequence(), ..forgotten });
        }
        let (events, affected) = (over.stored_events(), &traces.found.affected);
        let left = Left { graph: &fall.after, events, kept: as_counted, affected };
        let totals = totals_left(&view, self.all_totals(&view)?, left)?;
        drop((over, rewritten));
        let times = (targets.until, Time::from(SystemTime::now()));
        let bars = self.store.bars_of(&traces.key, &targets.in_hashes(), &fall.cuts, times)?;
        let erased = Erased { gone: &gone, unnamed: &unnamed, events: &traces.found.events, hidden: &hidden };
        let erasure = Erasure {
            totals,
            erased,
            touched: &traces.blocks,
            reordered: &traces.found.told,
            event: kept,
            count: &count,
            seen: &fall.seen,
            links: fall.after.links().as_slice(),
            unlinks: &fall.cuts,
            changes: &changes,
            overwritten: remembered(before, &fall.after, &gone, &unnamed),
            bars: bars.into_iter().chain(told.into_iter().map(BarRow::Text)).collect(),
        };
        self.store.erase(&erasure)?;
        self.drafts.forget();
        drop(view);
        self.resolver.publish(people::published(self.store)?);
        self.feed.publish(self.store.feed());
        Ok(Forgotten { sequence: self.store.sequence(), ..forgotten })
    }

    /// The totals that the last commit left, or those that are counted.
    fn all_totals(&self, view: &View) -> Result<Totals> {
        match self.store.totals()? {
            Some(totals) => Ok(totals),
            None => Ok(totals_of(view.graph(), view.stored_events(), |id| id)?),
        }
    }

    /// Lets events of an erased identity be taken in again; says whether they were not.
    pub fn readmit(&mut self, namespace: &str, value: &str) -> Result<bool> {
        let (name, value) = named(self.resolver.read().graph().namespaces(), namespace, value)?;
        let lifted = self.store.lift(&name, value)?;
        // Also where it was cut short before.
        let healed = self.store.barred().healed();
        if !healed.is_empty() {
            let pairs: Vec<[Identity; 2]> = {
                let view = self.resolver.read();
                healed.iter().map(|&(_, lower, higher)| [lower, higher].map(|id| view.graph().identity(id))).collect()
            };
            self.decide(&pairs, false)?;
            let rows = healed.into_iter().map(|(act, lower, higher)| BarRow::Cut(act, lower, higher, false)).collect();
            self.store.bar(|_| rows)?;
            self.keep_totals();
        }
        Ok(lifted)
    }

    /// The records that the erasure adds to the feed: one that says that sessions may be gone, and then one of each session that stays and
    /// whose row differs, or of which a record is blanked.
    fn changes(
        &self,
        view: &View,
        fall: &Fall,
        gone: &[IdentityId],
        unnamed: &[IdentityId],
        kept: KeptEvent<'_>,
    ) -> Result<Vec<StoredChange>> {
        let (before, after) = (view.graph(), &fall.after);
        let is_gone = |id: &IdentityId| gone.binary_search(id).is_ok();
        let mut changes = stored_changes(after, &all_sessions(before, after), view.stored_events(), kept)?;
        changes.retain(|change| change.session.is_some_and(|session| !is_gone(&session)));
        changes.iter_mut().for_each(|change| change.from = change.from.filter(|from| !is_gone(from)));
        let told: HashSet<IdentityId> = changes.iter().filter_map(|change| change.session).collect();
        let mut blanked = BTreeSet::new();
        let feed = self.store.feed();
        let mut records = feed.changes(feed.position_at(feed.trimmed()))?;
        while let Some((_, record)) = records.next()? {
            if record.named().any(|id| unnamed.binary_search(&id).is_ok()) {
                blanked.extend(record.session);
            }
        }
        for session in blanked.iter().copied().filter(|session| !is_gone(session) && !told.contains(session)) {
            let row = after.is_known(session).then(|| after.standing(session));
            let person = row.map(|standing| standing.person.identity());
            changes.push(StoredChange {
                session: Some(session),
                events: after.seen(session).events,
                since: row.and_then(|standing| standing.since),
                from: person,
                to: person,
                ..StoredChange::ERASED
            });
        }
        if !unnamed.is_empty() {
            changes.push(StoredChange::ERASED);
        }
        // The one without a session comes first.
        changes.sort_by_key(|change| change.session);
        Ok(changes)
    }
}

/// The hashes of texts that tell an erased value, and how many positions that were pushed do.
fn texts_told(
    sources: &[Source],
    traces: &Traces,
    hidden: impl Fn(&str) -> Option<BarHash>,
) -> (BTreeSet<BarHash>, u64) {
    let names = sources.iter().filter_map(|source| hidden(&source.name));
    let told = names.chain(traces.found.texts.iter().copied()).collect();
    let pushed = sources.iter().filter(|source| source.pushed.as_ref().is_some_and(|pushed| hidden(pushed).is_some()));
    (told, pushed.count() as u64)
}

/// What is overwritten, but for what names those of whom nothing is to be told. Of them those who stay were not known before.
fn remembered(before: &Graph, after: &Graph, gone: &[IdentityId], unnamed: &[IdentityId]) -> Overwritten {
    let mut all = difference(before, after);
    let is_told = |id: IdentityId| unnamed.binary_search(&id).is_err();
    let stays = |id: IdentityId| !is_told(id) && gone.binary_search(&id).is_err();
    all.seen.retain(|&(id, _)| is_told(id));
    all.links.retain(|&(lower, higher, _)| is_told(lower) && is_told(higher));
    all.seen.extend(unnamed.iter().filter(|&&id| stays(id)).map(|&id| (id, None)));
    let links = after.links().as_slice().iter().filter(|link| stays(link.lower) || stays(link.higher));
    all.links.extend(links.map(|link| (link.lower, link.higher, None)));
    all.seen.sort_unstable_by_key(|row| row.0);
    all.links.sort_unstable_by_key(|row| (row.0, row.1));
    all
}

/// Names the identities that stay, and whose values contain an erased one.
fn name_containing(graph: &Graph, gone: &[IdentityId], tale: &TellTale, forgotten: &mut Forgotten) {
    for id in graph.identities().ids().filter(|id| gone.binary_search(id).is_err()) {
        if tale.is_in_value(graph.identities().value(id)) {
            forgotten.containing_count += 1;
            if forgotten.containing.len() < NAMED {
                forgotten.containing.push(graph.identity(id));
            }
        }
    }
}

/// The settings that contain an erased value.
fn told_by_settings(settings: &Settings, graph: &Graph, tale: &TellTale) -> Vec<String> {
    let junk = settings.junk.extra.iter().filter(|value| tale.is_in(value)).map(|value| format!("junk {value}"));
    let names = graph.namespaces().spellings().iter();
    junk.chain(names.filter(|name| tale.is_in(name)).map(|name| format!("namespace {name}"))).collect()
}
