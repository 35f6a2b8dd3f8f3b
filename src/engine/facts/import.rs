//! Taking facts in.
//!
//! What is known already is not counted twice, so an import that was cut short is begun again. How far sources were read is told by the
//! last commit alone: what an import that was cut short lacks is not taken for read.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};

use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::engine::batch::profiles::PartId;
use crate::engine::batch::rows::Carried;
use crate::engine::batch::{Batch, Room};
use crate::engine::commit::{Committed, Committer};
use crate::engine::consent::in_hashes;
use crate::engine::count::Decision;
use crate::engine::facts::barred::key;
use crate::engine::facts::{
    EventFact, Fact, FactCounts, Head, QuarantineFact, RenameFact, SourceFact, UnlinkFact, VERSION,
};
use crate::engine::source;
use crate::graph::Graph;
use crate::ingest::identities::usable_id;
use crate::ingest::profiles::{self, KeptPart};
use crate::model::barred::{BarHash, IdentityBar, NotTaken, Refused};
use crate::model::counting::Limits;
use crate::model::error::{Error, ErrorKind};
use crate::model::event::EventId;
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::limits::{MAX_FACT_BYTES, MAX_IDENTITIES_PER_EVENT, MAX_VALUE_BYTES};
use crate::model::namespace::NamespaceId;
use crate::model::settings::Settings;
use crate::model::source::{Position, Source, SourceId};
use crate::model::texts::TextId;
use crate::model::time::Time;
use crate::model::writing::is_zero;
use crate::resolver::Resolver;
use crate::store::barred::{BarRow, Barred};

/// Events a commit, at most: as many as a replay's.
const BATCH_EVENTS: usize = 1_000_000;

/// Why facts could not be taken in.
#[derive(Debug, thiserror::Error)]
enum FactsError {
    #[error("cannot read the facts")]
    Read(#[source] std::io::Error),
    #[error("line {line} of the facts: {why}")]
    Line { line: u64, why: String },
    #[error("the facts end after line {line} without an end: the file was cut short, export it again")]
    CutShort { line: u64 },
    #[error("{why}: export facts from fewer stores into it")]
    Barred { why: String },
    #[error("the facts are of version {found}, and this program reads version {VERSION}: use a later one")]
    Version { found: u32 },
    #[error("the facts have {found} events, {sources} sources and {unlinks} unlinked pairs, and their end tells of others: export them again", found = .found.events, sources = .found.sources, unlinks = .found.unlinks)]
    Counts { found: FactCounts },
}

impl From<FactsError> for Error {
    fn from(error: FactsError) -> Self {
        let kind = match &error {
            FactsError::Read(error) => ErrorKind::of_io(error, ErrorKind::Input),
            FactsError::Version { .. } => ErrorKind::Version,
            FactsError::Line { .. } | FactsError::CutShort { .. } | FactsError::Counts { .. } => ErrorKind::Facts,
            FactsError::Barred { .. } => ErrorKind::Limit,
        };
        Self::new(kind, error)
    }
}

/// The lines of facts, read one by one.
pub struct FactReader<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> FactReader<R> {
    /// The lines that `from` gives.
    pub fn new(from: R) -> Self {
        Self { from: BufReader::new(from), line: Vec::new(), number: 0 }
    }

    /// What the store was made with, and its namespaces: the first line.
    pub fn head(&mut self) -> Result<(Settings, Vec<String>), Error> {
        match self.next()? {
            Some(Fact::Facts(Head { version: VERSION, settings, namespaces })) => {
                Ok((settings, namespaces.into_iter().map(String::from).collect()))
            }
            Some(Fact::Facts(Head { version: found, .. })) => Err(FactsError::Version { found }.into()),
            Some(_) => Err(self.fault("the first line of facts is the head, `{\"facts\":…`").into()),
            None => Err(FactsError::CutShort { line: 0 }.into()),
        }
    }

    fn next(&mut self) -> Result<Option<Fact<'_>>, Error> {
        self.line.clear();
        let mut limited = (&mut self.from).take(MAX_FACT_BYTES as u64 + 1);
        limited.read_until(b'\n', &mut self.line).map_err(FactsError::Read)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if self.line.len() > MAX_FACT_BYTES {
            return Err(self.fault(format!("it has more than {MAX_FACT_BYTES} bytes")).into());
        }
        let number = self.number;
        let fault = |error: serde_json::Error| FactsError::Line { line: number, why: format!("not a fact: {error}") };
        Ok(Some(serde_json::from_slice(&self.line).map_err(fault)?))
    }

    fn fault(&self, why: impl Into<String>) -> FactsError {
        FactsError::Line { line: self.number, why: why.into() }
    }
}

/// What facts became.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct Imported {
    /// Events that the store did not know.
    pub accepted: u64,
    /// Events that it knew.
    pub duplicate: u64,
    /// Sources that it did not know.
    pub sources: u64,
    /// Pairs whose link counts as never seen now, and counted before.
    pub unlinked: u64,
    /// Events that were not taken in because an identity that they carry was erased here; left out as JSON where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub erased: u64,
    /// Events that were not taken in because an identity that they carry opted out here; left out as JSON where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub suppressed: u64,
    /// Tombstones and opt-outs that it did not know; left out as JSON where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub barred: u64,
    /// Identities that were erased where the facts come from, and that this store holds: they stay, and no tombstone is taken over, until they
    /// are erased here too. Left out as JSON where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub held: u64,
}

impl Committer<'_> {
    /// Takes in the facts that follow the head.
    pub fn import(&mut self, namespaces: &[String], facts: &mut FactReader<impl Read>) -> Result<Imported, Error> {
        let mut import = Import::new(self.resolver, namespaces);
        // Nobody may hold the graph that a commit is to change.
        while !import.gather(self.resolver, self.store.barred(), facts)? {
            self.commit_part(&mut import)?;
        }
        self.complete(import)
    }

    /// Commits what was gathered so far.
    pub fn commit_part(&mut self, import: &mut Import) -> Result<(), Error> {
        let full = std::mem::replace(&mut import.batch, Batch::new(self.resolver.read().graph(), Room::new()));
        // An event that several sources delivered is a duplicate of itself there.
        let Committed { accepted, room, .. } = self.commit(full, None)?;
        import.imported.accepted += accepted;
        import.batch = Batch::new(self.resolver.read().graph(), room);
        import.name_namespaces();
        Ok(())
    }

    /// The last commits: what is left of the events with the positions, then the decisions, then whose events are not taken in.
    pub fn complete(&mut self, mut import: Import) -> Result<Imported, Error> {
        for (id, source) in std::mem::take(&mut import.positions) {
            import.batch.read(id, source);
        }
        self.commit_part(&mut import)?;
        let Imported { accepted, erased, suppressed, .. } = import.imported;
        import.imported.duplicate = import.found.events - accepted - erased - suppressed;
        import.imported.unlinked = self.unlink_all(&import.unlinks)?;
        self.bar_all(&mut import)?;
        let renames = import.renames.iter().map(|[old, new]| Decision::Rename(old, new));
        let decisions: Vec<Decision<'_>> = renames
            .chain(import.aside.iter().map(Decision::SetAside))
            .chain(import.kept.iter().map(Decision::Keep))
            .collect();
        self.recount(&decisions, false)?;
        if let (Some(limits), None) = (import.limits, self.store.limits()?) {
            self.store.set_limits(Some(limits))?;
        }
        Ok(import.imported)
    }
}

impl Committer<'_> {
    /// Takes tombstones and opt-outs over, but for tombstones of identities that the store holds: events of these were taken in.
    fn bar_all(&mut self, import: &mut Import) -> Result<(), Error> {
        let missing = self.store.barred().missing(&import.bars).map_err(|why| FactsError::Barred { why })?;
        let both = Barred::of(self.store.barred().rows().chain(missing.iter().copied()));
        let held = {
            let view = self.resolver.read();
            held(view.graph(), &both)
        };
        let is_held = |row: &BarRow| matches!(row, BarRow::Tombstone(hash, _) if held.contains(hash));
        let (held, new): (Vec<BarRow>, Vec<BarRow>) = missing.into_iter().partition(is_held);
        import.imported.held = held.len() as u64;
        import.imported.barred = new.iter().filter(|row| !matches!(row, BarRow::Key(..))).count() as u64;
        if !new.is_empty() {
            self.store.bar(|_| new)?;
        }
        Ok(())
    }
}

/// The hashes of the identities of events that would not be taken in because they were erased.
fn held(graph: &Graph, barred: &Barred) -> HashSet<BarHash> {
    let mut held = HashSet::new();
    for id in graph.identities().ids().filter(|&id| graph.is_known(id) && !barred.is_empty()) {
        let (name, value) = in_hashes(graph, id);
        if barred.bar(name, value).erased_until.is_some_and(|until| graph.seen(id).first <= until) {
            held.extend(barred.hashes(name, value));
        }
    }
    held
}

fn identity(namespace: &str, value: &str) -> Identity {
    Identity::new(namespace, value)
}

/// Facts on their way.
pub struct Import {
    batch: Batch,
    namespaces: Vec<String>,
    /// The namespace of customers.
    unique: Option<String>,
    /// The ids of the sources, by their places in the facts.
    ids: Vec<SourceId>,
    /// How many sources there are, new ones included.
    known: u32,
    /// How far the new sources were read.
    positions: Vec<(SourceId, Source)>,
    unlinks: Vec<[Identity; 2]>,
    bars: Vec<BarRow>,
    renames: Vec<[Identity; 2]>,
    aside: Vec<Identity>,
    kept: Vec<Identity>,
    limits: Option<Limits>,
    found: FactCounts,
    imported: Imported,
    /// Sources of the store by name.
    by_name: HashMap<String, (SourceId, bool)>,
}

impl Import {
    /// None yet, for the store that `resolver` answers for; namespaces as they are spelled.
    pub fn new(resolver: &Resolver, namespaces: &[String]) -> Self {
        let view = resolver.read();
        let by_name = (0..).map(SourceId).zip(view.sources());
        let by_name = by_name.map(|(id, source)| (source.name.clone(), (id, source.retracted))).collect();
        let mut import = Self {
            batch: Batch::new(view.graph(), Room::new()),
            namespaces: namespaces.to_vec(),
            unique: view.namespaces().levels().unique.clone(),
            ids: Vec::new(),
            known: view.sources().len() as u32,
            positions: Vec::new(),
            unlinks: Vec::new(),
            bars: Vec::new(),
            renames: Vec::new(),
            aside: Vec::new(),
            kept: Vec::new(),
            limits: None,
            found: FactCounts::default(),
            imported: Imported::default(),
            by_name,
        };
        import.name_namespaces();
        import
    }

    /// Names that no event carries are kept, too, and all as they are spelled.
    fn name_namespaces(&mut self) {
        for name in &self.namespaces {
            let _ = self.batch.namespaces.intern_configured(name);
        }
    }

    /// Takes facts until the batch is full, and says whether they are over.
    fn gather(
        &mut self,
        resolver: &Resolver,
        barred: &Barred,
        facts: &mut FactReader<impl Read>,
    ) -> Result<bool, Error> {
        let view = resolver.read();
        while !self.is_full() {
            let line = facts.number + 1;
            let told = |why: String| FactsError::Line { line, why };
            match facts.next()? {
                None => return Err(FactsError::CutShort { line: line - 1 }.into()),
                Some(Fact::Facts(_)) => return Err(told("a second head".into()).into()),
                Some(Fact::Source(source)) => self.source(source, barred).map_err(told)?,
                Some(Fact::Unlink(unlink)) => self.unlink(unlink).map_err(told)?,
                Some(Fact::Key(hash)) => self.bars.push(key(hash)),
                Some(Fact::Tombstone(tombstone)) => self.bar(tombstone.into()),
                Some(Fact::OptOut(opt_out)) => self.bar(opt_out.into()),
                Some(Fact::Rename(RenameFact { namespace, old, new })) => {
                    let [old, new] = [old, new].map(|value| identity(&namespace, &value));
                    self.rename(old, new);
                }
                Some(Fact::Quarantine(QuarantineFact { namespace, value, kept })) => {
                    let identity = identity(&namespace, &value);
                    if kept { self.keep(identity) } else { self.set_aside(identity) }
                }
                Some(Fact::Limits(limits)) => self.limits = Some(limits),
                Some(Fact::Hidden(hash)) => self.bar(BarRow::Text(hash)),
                Some(Fact::Event(event)) => self.event(view.graph(), barred, &event).map_err(told)?,
                Some(Fact::End(end)) if end == (FactCounts { digest: end.digest.clone(), ..self.found.clone() }) => {
                    return Ok(true);
                }
                Some(Fact::End(_)) => return Err(FactsError::Counts { found: self.found.clone() }.into()),
            }
        }
        Ok(false)
    }

    /// Whether it is time to commit.
    pub fn is_full(&self) -> bool {
        self.batch.is_full(BATCH_EVENTS, 1)
    }

    /// How many sources there were so far.
    pub fn sources(&self) -> usize {
        self.ids.len()
    }

    /// Takes a source, or says what is wrong with it.
    pub fn source(&mut self, fact: SourceFact<'_>, barred: &Barred) -> Result<(), String> {
        source::check_name(&fact.name).map_err(|error| error.to_string())?;
        self.found.sources += 1;
        let SourceFact { name, position, pushed, within } = fact;
        let name = barred.source_name(&name);
        let position = position.map(|position| Position { within, ..position });
        let id = match self.by_name.get(&name) {
            Some(&(id, false)) => {
                self.ids.push(id);
                return Ok(());
            }
            Some(&(id, true)) => id,
            None => SourceId(self.known),
        };
        self.known = self.known.max(id.0 + 1);
        self.imported.sources += 1;
        self.by_name.insert(name.clone(), (id, false));
        let source = Source { name, position, pushed, retracted: false };
        self.batch.read(id, Source { position: None, pushed: None, ..source.clone() });
        self.positions.push((id, source));
        self.ids.push(id);
        Ok(())
    }

    /// Takes a decision, or says what is wrong with it.
    fn unlink(&mut self, fact: UnlinkFact<'_>) -> Result<(), String> {
        let pair = fact.pair(self.unique.as_deref()).ok_or("two identities are unlinked, and of two namespaces")?;
        self.unlink_pair(pair);
        Ok(())
    }

    /// Takes two identities whose link counts as never seen.
    pub fn unlink_pair(&mut self, pair: [Identity; 2]) {
        self.found.unlinks += 1;
        self.unlinks.push(pair);
    }

    fn bar(&mut self, row: BarRow) {
        self.found.barred += 1;
        self.bars.push(row);
    }

    /// Takes an identity that counts as another.
    pub fn rename(&mut self, old: Identity, new: Identity) {
        self.found.recounts += 1;
        self.renames.push([old, new]);
    }

    /// Takes an identity that counts as itself, whatever the limits.
    pub fn keep(&mut self, identity: Identity) {
        self.found.recounts += 1;
        self.kept.push(identity);
    }

    /// Takes the limits beyond which identities are set aside.
    pub fn limit(&mut self, limits: Option<Limits>) {
        self.limits = limits;
    }

    /// Takes an identity that counts as nothing.
    pub fn set_aside(&mut self, identity: Identity) {
        self.found.recounts += 1;
        self.aside.push(identity);
    }

    /// Takes an event, unless one of its identities is barred; or says what is wrong with it.
    pub fn event(&mut self, graph: &Graph, barred: &Barred, fact: &EventFact<'_>) -> Result<(), String> {
        self.found.events += 1;
        let time = Time::parse(&fact.time).ok_or_else(|| format!("{:?} is not a valid RFC 3339 time", fact.time))?;
        let id = match (&fact.id, &fact.line) {
            (Some(id), None) => usable_id(id).filter(|_| id.trim() == &**id).ok_or("the id cannot be kept")?,
            (None, Some(hash)) if hash.len() == 32 => {
                EventId::Line(u128::from_str_radix(hash, 16).map_err(|_| "the line is not a hash of 32 hex digits")?)
            }
            _ => return Err("an event has either an id or the hash of a line, in 32 hex digits".to_owned()),
        };
        if let Some(refusal) = refusal(barred, fact, time) {
            let mut refused = Refused::default();
            refused.count(refusal);
            self.imported.erased += refused.erased;
            self.imported.suppressed += refused.suppressed;
            return Ok(());
        }
        let id = barred.event_id(id);
        let mut identities = self.identities(graph, fact)?;
        let session = identities.first().is_some_and(|first| first.0 == NamespaceId::SESSION);
        let anchor = if session { identities.remove(0) } else { identities.pop().ok_or("an event has an identity")? }.1;
        let companions: SmallVec<[IdentityId; 8]> = identities.into_iter().map(|(_, id)| id).collect();
        let companions = self.batch.rows.sets.intern(&companions);
        let profile = self.profile(barred, fact)?;
        let carried = Carried { anchor, companions, profile };
        if fact.sources.is_empty() {
            return Err("an event has a source".to_owned());
        }
        for &place in &fact.sources {
            let source = *self.ids.get(place as usize).ok_or_else(|| format!("there is no source {place} above"))?;
            self.batch.rows.push(carried, time, &id, source);
        }
        Ok(())
    }

    /// The segments and traits of an event.
    fn profile(&mut self, barred: &Barred, fact: &EventFact<'_>) -> Result<PartId, String> {
        let mut text = |raw: &Option<Cow<'_, RawValue>>, name, keep: fn(&str) -> KeptPart| match raw.as_deref() {
            None => Ok(TextId::EMPTY),
            Some(raw) => match keep(raw.get()) {
                KeptPart { text, cut: 0 } if barred.hidden(&text).is_some() => Ok(TextId::EMPTY),
                KeptPart { text, cut: 0 } => Ok(self.batch.rows.profiles.intern(&text)),
                KeptPart { cut, .. } => Err(format!("{cut} of its {name} cannot be kept")),
            },
        };
        let segments = text(&fact.segments, "segments", profiles::segments)?;
        let traits = text(&fact.traits, "traits", profiles::traits)?;
        Ok(PartId { segments, traits })
    }

    /// The identities of an event in level order.
    fn identities(&mut self, graph: &Graph, fact: &EventFact<'_>) -> Result<Vec<(NamespaceId, IdentityId)>, String> {
        let pairs = &fact.identities.0;
        if pairs.is_empty() || pairs.len() > MAX_IDENTITIES_PER_EVENT {
            return Err(format!("an event has from 1 to {MAX_IDENTITIES_PER_EVENT} identities"));
        }
        let mut identities = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            if value.is_empty() || value.len() > MAX_VALUE_BYTES || value.trim() != &**value {
                return Err(format!("{value:?} cannot be a value of {name}"));
            }
            let namespace = self
                .batch
                .namespaces
                .intern_configured(name)
                .ok_or_else(|| format!("{name:?} cannot be a namespace"))?;
            let id = self.batch.intern(graph, namespace, Value::new(value)).map_err(|error| error.to_string())?;
            identities.push((namespace, id));
        }
        identities.sort_unstable_by(|a, b| self.batch.namespaces.cmp(a.0, b.0));
        match identities.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(twice) => Err(format!("it has {} twice", self.batch.namespaces.display(twice[0].0))),
            None => Ok(identities),
        }
    }
}

/// Why an event is not taken in; `None` where it is. Costs a hash for each of its identities where any is barred.
fn refusal(barred: &Barred, fact: &EventFact<'_>, time: Time) -> Option<NotTaken> {
    if barred.is_empty() {
        return None;
    }
    let bar = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| barred.bar(&name.to_ascii_lowercase(), Value::new(value));
    fact.identities.0.iter().map(bar).fold(IdentityBar::default(), IdentityBar::and).refusal(time)
}
