//! What a store holds of the erased: events that carry them, and texts that tell their values.

use std::collections::{BTreeSet, HashSet};

use crate::engine::count::counted;
use crate::engine::erase::targets::Targets;
use crate::engine::erase::texts::TellTale;
use crate::graph::Graph;
use crate::model::barred::{BarHash, IdentityBar};
use crate::model::digest::EventHash;
use crate::model::error::Result;
use crate::model::event::Event;
use crate::model::identity::{IdentityId, Value};
use crate::model::profile::ProfilePart;
use crate::resolver::View;
use crate::store::Store;
use crate::store::barred::{BarKey, hash_text};
use crate::store::glance::FoundBlocks;
use crate::store::recount::CountedEvent;

/// What a store holds of the erased.
pub struct Traces {
    /// The key that hashes are made with from now on.
    pub key: BarKey,
    /// What tells the values of those that go.
    pub tale: TellTale,
    /// Those of which later events are left.
    pub staying: HashSet<IdentityId>,
    /// The blocks of events in which any of it stands.
    pub blocks: FoundBlocks,
    /// What stands there.
    pub found: Findings,
}

/// What stands in the events of a store.
#[derive(Default)]
pub struct Findings {
    /// The events that go, as they were written.
    pub written: HashSet<EventHash>,
    /// The events that go, as they were written, and as they count.
    pub events: HashSet<EventHash>,
    /// The identities of the events that go or have a mark, as they were written and as they count: what follows of others stays.
    pub affected: HashSet<IdentityId>,
    /// The hashes of what tells a value of other events: their ids, their segments and traits.
    pub texts: BTreeSet<BarHash>,
    /// The anchors of these.
    pub told: HashSet<IdentityId>,
}

impl Traces {
    /// What there is. Looks at every block of events, and once more where there is a bound in time; decodes those in which anything stands.
    pub fn of(view: &View, store: &Store, targets: &Targets) -> Result<Self> {
        let graph = view.graph();
        let staying = match targets.until == IdentityBar::FOR_GOOD {
            true => HashSet::new(),
            false => staying(view, targets)?,
        };
        let going = targets.named.iter().filter(|(name, value)| {
            let id = graph.namespaces().get(name).and_then(|name| graph.identities().get(name, Value::new(value)));
            id.is_none_or(|id| !staying.contains(&id))
        });
        let tale = TellTale::of(going.map(|(_, value)| Value::new(value)))?;
        let key = store.key()?;
        let gather = |anchor, event: &Event<'_>, found: &mut Findings| match targets.take(anchor, event) {
            true => found.add_event(graph, anchor, event),
            false => found.add_texts(graph, (&tale, &key), anchor, event),
        };
        let (blocks, gathered) = view.stored_events().as_written().sift(
            &|block| {
                block.names(|id| targets.is_one(id))
                    || block.tells(|id| tale.told_by(id).is_some(), |text| tale.is_in_profile(text))
            },
            gather,
        )?;
        let found = gathered.into_iter().fold(Findings::default(), Findings::unite);
        Ok(Self { key, tale, staying, blocks, found })
    }

    /// What becomes of an event.
    pub fn kept<'e>(&self, targets: &Targets, anchor: IdentityId, event: Event<'e>) -> Option<Event<'e>> {
        (!targets.take(anchor, &event)).then(|| self.renamed(event))
    }

    /// An event whose `id`, segments and traits tell no value: a mark takes the place of an id that does, and nothing that of the others.
    pub fn renamed<'e>(&self, event: Event<'e>) -> Event<'e> {
        let id = match self.tale.told_by(event.id) {
            Some(told) => hash_text(&self.key, &told).event_id(),
            None => event.id,
        };
        let untold = |text| if self.tale.is_in_profile(text) { "" } else { text };
        let ProfilePart { segments, traits } = event.profile;
        let profile = ProfilePart { segments: untold(segments), traits: untold(traits) };
        Event { id, profile, ..event }
    }
}

/// The identities of which later events are left.
fn staying(view: &View, targets: &Targets) -> Result<HashSet<IdentityId>> {
    let counting = view.graph().counting();
    let gather = |anchor, event: &Event<'_>, staying: &mut HashSet<IdentityId>| {
        if !targets.take(anchor, event) {
            staying.extend(targets.carried(anchor, event).flat_map(|id| counting.chain(id)));
        }
    };
    let events = view.stored_events().as_written();
    let (_, gathered) = events.sift(&|block| block.names(|id| targets.is_one(id)), gather)?;
    Ok(gathered.into_iter().flatten().collect())
}

impl Findings {
    fn add_event(&mut self, graph: &Graph, anchor: IdentityId, event: &Event<'_>) {
        self.written.insert(graph.event_hash(anchor, event));
        self.events.insert(graph.event_hash(anchor, event));
        self.affect(anchor, event.companions);
        match counted(graph, graph.counting(), anchor, event) {
            CountedEvent::As(anchor, ids) => {
                self.affect(anchor, &ids);
                self.events.insert(graph.event_hash(anchor, &Event { companions: &ids, ..*event }));
            }
            CountedEvent::AsWritten | CountedEvent::Nothing => {}
        }
    }

    fn add_texts(&mut self, graph: &Graph, (tale, key): (&TellTale, &BarKey), anchor: IdentityId, event: &Event<'_>) {
        let id = tale.told_by(event.id);
        let ProfilePart { segments, traits } = event.profile;
        let profile = [segments, traits].into_iter().filter(|text| tale.is_in_profile(text));
        let told: Vec<BarHash> = id.as_deref().into_iter().chain(profile).map(|text| hash_text(key, text)).collect();
        if told.is_empty() {
            return;
        }
        self.texts.extend(told);
        self.told.insert(anchor);
        // The evidence of links is named by hashes of events, and so by their ids.
        self.affect(anchor, event.companions);
        if let CountedEvent::As(anchor, ids) = counted(graph, graph.counting(), anchor, event) {
            self.affect(anchor, &ids);
        }
    }

    fn affect(&mut self, anchor: IdentityId, companions: &[IdentityId]) {
        self.affected.insert(anchor);
        self.affected.extend(companions);
    }

    fn unite(mut self, mut other: Self) -> Self {
        self.written.extend(other.written);
        self.events.extend(other.events);
        self.affected.extend(other.affected);
        self.texts.append(&mut other.texts);
        self.told.extend(other.told);
        self
    }
}
