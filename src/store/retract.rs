//! Taking stored events back: the runs that hold them are written anew without them.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::event::Event;
use crate::model::history::{Overwritten, StoredChange};
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen};
use crate::model::source::{Source, SourceId};
use crate::store::block::Kind;
use crate::store::directory::GroupWriter;
use crate::store::error::StoreError;
use crate::store::manifest::Manifest;
use crate::store::run::Run;
use crate::store::scan::Events;
use crate::store::{Store, repair, retire, sorted, take_number};

/// What becomes of a stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Stays,
    /// It stays, delivered by these sources alone (ascending, at least one).
    DeliveredBy(SmallVec<[SourceId; 4]>),
    /// It goes.
    Goes,
}

/// Events written anew, not yet what the store holds.
#[derive(Debug)]
pub struct Rewritten {
    next: Manifest,
    /// The events as they will be.
    pub after: Events,
}

/// What follows from the events that are left.
#[derive(Debug)]
pub struct Retraction<'a> {
    /// When each identity was seen, by id; all of them.
    pub seen: &'a [(IdentityId, Seen)],
    /// All links.
    pub links: &'a [Link],
    /// Sources that changed.
    pub sources: &'a [(SourceId, Source)],
    /// Records of the change feed, in order.
    pub changes: &'a [StoredChange],
    /// What is overwritten.
    pub overwritten: Overwritten,
}

impl Store {
    /// Writes the runs anew whose events `fate` does not let stay, and makes nothing of it yet: see
    /// [`commit_rewritten`](Self::commit_rewritten). An event lies in a run once for each commit that delivered it, with that
    /// commit's sources; `fate` is asked for each, and more than once.
    ///
    /// Costs a read of all events, and a write of the runs that change. `None` where none does.
    ///
    /// # Errors
    /// When a block is damaged, cannot be read or cannot be written.
    pub fn rewrite(&mut self, fate: impl Fn(IdentityId, &Event<'_>) -> Fate) -> Result<Option<Rewritten>, StoreError> {
        self.check_poison()?;
        let mut next = self.next_manifest();
        let written = self.rewrite_runs(&mut next, &fate);
        // Whatever becomes of this, the numbers are taken: also where it was cut short, and left blocks behind.
        self.manifest.next_run = next.next_run;
        let (events, old) = written?;
        if old.is_empty() {
            return Ok(None);
        }
        retire(&mut next, |run| old.contains(run));
        next.runs.retain(|run| run.kind != Kind::Events as u8);
        next.runs.extend(events.iter().cloned());
        let after = Events { backend: Arc::clone(&self.backend), runs: events };
        Ok(Some(Rewritten { next, after }))
    }

    /// The runs as they will be, and what the manifest says of those that they replace.
    fn rewrite_runs(
        &self,
        next: &mut Manifest,
        fate: &impl Fn(IdentityId, &Event<'_>) -> Fate,
    ) -> Result<(Vec<Run>, Vec<Run>), StoreError> {
        let (mut events, mut old) = (Vec::new(), Vec::new());
        for run in self.manifest.of(Kind::Events) {
            let alone = Events { backend: Arc::clone(&self.backend), runs: vec![run.clone()] };
            if !changes(&alone, fate)? {
                events.push(run.clone());
                continue;
            }
            old.push(run.clone());
            let mut writer = GroupWriter::new(&*self.backend, take_number(next), next.generation);
            let mut scan = alone.scan(0..u32::MAX);
            while let Some(group) = scan.next()? {
                let fates: Vec<Fate> = group.events().map(|event| fate(group.anchor(), &event)).collect();
                let kept = group.events().zip(&fates).filter_map(|(event, fate)| match fate {
                    Fate::Stays => Some(event),
                    Fate::DeliveredBy(sources) => Some(Event { sources, ..event }),
                    Fate::Goes => None,
                });
                writer.push(group.anchor(), kept)?;
            }
            events.extend(writer.finish()?);
        }
        Ok((events, old))
    }

    /// Makes events that were written anew what the store holds, durably, together with all that follows from them.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_rewritten(&mut self, rewritten: Rewritten, retraction: &Retraction<'_>) -> Result<u64, StoreError> {
        self.check_poison()?;
        let (seen, links) = (sorted(retraction.seen)?, sorted(retraction.links)?);
        let sources = sorted(retraction.sources)?;
        if !seen.iter().map(|row| u64::from(row.0.0)).eq(0..self.manifest.identities) {
            return Err(StoreError::Invalid("not every identity was seen".into()));
        }
        let Rewritten { mut next, after } = rewritten;
        drop(after);
        retire(&mut next, repair::is_derived);
        let done = self
            .write_table(&mut next, seen)
            .and_then(|()| self.write_table(&mut next, links))
            .and_then(|()| self.write_table(&mut next, sources))
            .and_then(|()| self.write_changes(&mut next, retraction.changes))
            .and_then(|()| self.write_past(&mut next, &retraction.overwritten))
            .and_then(|()| self.publish(next));
        self.poison_on_error(done)?;
        self.delete_retired();
        Ok(self.manifest.generation)
    }
}

/// Whether `fate` lets any event not stay.
fn changes(events: &Events, fate: &impl Fn(IdentityId, &Event<'_>) -> Fate) -> Result<bool, StoreError> {
    let mut scan = events.scan(0..u32::MAX);
    while let Some(group) = scan.next()? {
        if group.events().any(|event| fate(group.anchor(), &event) != Fate::Stays) {
            return Ok(true);
        }
    }
    Ok(false)
}
