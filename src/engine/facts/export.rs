//! Writing the facts of a store.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::engine::facts::barred::fact;
use crate::engine::facts::{
    EventFact, Fact, FactCounts, Head, QuarantineFact, RenameFact, SourceFact, UnlinkFact, VERSION,
};
use crate::model::counting::CountsAs;
use crate::model::error::{Error, ErrorKind};
use crate::model::event::{Event, in_level_order};
use crate::model::identity::{Identity, IdentityId};
use crate::model::source::Source;
use crate::resolver::View;
use crate::store::Store;

/// The facts could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the facts")]
struct FactsWriteError(#[from] io::Error);

impl From<FactsWriteError> for Error {
    fn from(error: FactsWriteError) -> Self {
        Self::new(ErrorKind::of_io(&error.0, ErrorKind::Output), error)
    }
}

/// Writes the facts of one commit, a line each. Holds a group of events.
pub fn run(view: &View, store: &Store, to: impl Write) -> Result<FactCounts, Error> {
    let (settings, barred, limits) = (store.settings(), store.barred(), store.limits()?);
    let mut to = FactWriter { to, counts: FactCounts::default() };
    let names = view.namespaces().spellings().iter().map(|name| Cow::Borrowed(&**name)).collect();
    to.write(&Fact::Facts(Head { version: VERSION, settings: settings.clone(), namespaces: names }))?;
    let mut places = Vec::with_capacity(view.sources().len());
    for source in view.sources() {
        places.push(to.counts.sources as u32);
        to.source(source)?;
    }
    let unique = view.namespaces().unique().map(|unique| view.namespaces().display(unique));
    for pair in view.unlinked() {
        to.counts.unlinks += 1;
        to.write(&Fact::Unlink(UnlinkFact::new(pair, unique)))?;
    }
    for fact in barred.rows().filter_map(fact) {
        to.counts.barred += u64::from(!matches!(fact, Fact::Key(_)));
        to.write(&fact)?;
    }
    for [old, new] in view.renamed() {
        to.counts.recounts += 1;
        let (namespace, old, new) = (old.namespace.into(), old.value.into(), new.value.into());
        to.write(&Fact::Rename(RenameFact { namespace, old, new }))?;
    }
    for (counts_as, kept) in [(CountsAs::Nothing, false), (CountsAs::Kept, true)] {
        for Identity { namespace, value } in view.decided_as(&[counts_as]) {
            to.counts.recounts += 1;
            let (namespace, value) = (namespace.into(), value.into());
            to.write(&Fact::Quarantine(QuarantineFact { namespace, value, kept }))?;
        }
    }
    if let Some(limits) = limits {
        to.write(&Fact::Limits(limits))?;
    }
    let mut scan = view.stored_events().as_written().deliveries(0..u32::MAX);
    while let Some(group) = scan.next()? {
        for event in group.events() {
            to.event(view, group.anchor(), &event, &places)?;
        }
    }
    to.counts.digest = view.totals()?.digest.to_string();
    let counts = to.counts.clone();
    to.write(&Fact::End(counts.clone()))?;
    to.to.flush().map_err(FactsWriteError)?;
    Ok(counts)
}

struct FactWriter<W> {
    to: W,
    counts: FactCounts,
}

impl<W: Write> FactWriter<W> {
    fn write(&mut self, fact: &Fact<'_>) -> Result<(), Error> {
        let mut line = || {
            serde_json::to_writer(&mut self.to, fact)?;
            self.to.write_all(b"\n")
        };
        Ok(line().map_err(FactsWriteError)?)
    }

    /// One whose events were taken back keeps its place in the store alone.
    fn source(&mut self, source: &Source) -> Result<(), Error> {
        if source.retracted {
            return Ok(());
        }
        self.counts.sources += 1;
        let Source { name, position, pushed, retracted: _ } = source.clone();
        let within = position.as_ref().map(|position| position.within).unwrap_or_default();
        self.write(&Fact::Source(SourceFact { name: name.into(), position, pushed, within }))
    }

    fn event(&mut self, view: &View, anchor: IdentityId, event: &Event<'_>, places: &[u32]) -> Result<(), Error> {
        let (graph, names) = (view.graph(), view.namespaces());
        let identities = in_level_order(anchor, graph.is_session(anchor), event.companions).map(|id| {
            let namespace = &*names.names()[usize::from(graph.identities().namespace(id).0)];
            (Cow::Borrowed(namespace), Cow::Owned(graph.identities().value(id).to_string()))
        });
        self.counts.events += 1;
        let sources = event.sources.iter().map(|id| places[id.0 as usize]);
        self.write(&Fact::Event(EventFact::new(event, identities.collect(), sources)))
    }
}
