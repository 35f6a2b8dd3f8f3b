//! Rules for single anchors, whose logins are read from the store where a reading asks for them; and for the lines of a log.

use hashbrown::HashMap;
use rayon::prelude::*;
use smallvec::SmallVec;

use crate::model::error::Result;
use crate::model::event::DecodedEvent;
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::person::{AttributionKind, Standing};
use crate::resolver::attribution::{self, AnchorRule, Attributed, Moment, has_several_logins};
use crate::resolver::view::View;
use crate::store::scan::Cursor;

/// Shared sessions that one task reads: neighbours lie in the same blocks.
const SESSIONS_A_TASK: usize = 256;

/// Looks anchors up one by one. Ascending is cheap: neighbours are read together.
pub struct Lookup<'v> {
    view: &'v View,
    /// Made when first needed: under most readings it never is.
    cursor: Option<Cursor>,
}

impl<'v> Lookup<'v> {
    /// Nothing is read yet.
    pub fn new(view: &'v View) -> Self {
        Self { view, cursor: None }
    }

    /// Whom an identity belongs to.
    pub fn standing(&mut self, id: IdentityId) -> Result<Standing> {
        let view = self.view;
        attribution::standing(view, id, || self.logins(id))
    }

    /// The rule for the events of an anchor.
    pub fn rule(&mut self, anchor: IdentityId) -> Result<AnchorRule<'v>> {
        let view = self.view;
        AnchorRule::new(view, anchor, || self.logins(anchor))
    }

    fn logins(&mut self, session: IdentityId) -> Result<Vec<Moment>> {
        let view = self.view;
        let cursor = self.cursor.get_or_insert_with(|| view.stored_events().cursor());
        Ok(attribution::logins(view.graph(), view.reading().until(), &cursor.group(session)?))
    }
}

/// Says of activities whom they belong to, at the speed of a log and from any number of threads.
///
/// It holds the moments at which shared sessions change hands, where the reading follows their logins: 16 bytes each.
pub struct Attributor {
    view: View,
    moments: HashMap<IdentityId, Vec<Moment>>,
}

impl Attributor {
    /// Reads the logins of all shared sessions, where the reading of `view` follows them.
    pub(super) fn new(view: View) -> Result<Self> {
        let view = view.for_many();
        let graph = view.graph();
        let shared = |id: &IdentityId| graph.is_session(*id) && has_several_logins(graph, *id);
        let sessions: Vec<IdentityId> = match view.reading().policy.follows_logins() {
            true => graph.identities().ids().filter(shared).collect(),
            false => Vec::new(),
        };
        let read = |sessions: &[IdentityId]| {
            let mut lookup = Lookup::new(&view);
            let moments = |&session| Ok((session, lookup.rule(session)?.moments().to_vec()));
            sessions.iter().map(moments).collect::<Result<Vec<_>>>()
        };
        let parts: Vec<_> = sessions.par_chunks(SESSIONS_A_TASK).map(read).collect::<Result<_, _>>()?;
        let moments = parts.into_iter().flatten().collect();
        Ok(Self { view, moments })
    }

    /// The view it answers by.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// As [`View::attribute`]; memory only.
    pub fn attribute(&self, namespaces: &Namespaces, activity: &DecodedEvent<'_>) -> (Identity, AttributionKind) {
        let view = &self.view;
        let rule = |anchor| match self.moments.get(&anchor) {
            Some(moments) => Ok(AnchorRule::of_moments(view, anchor, moments)),
            // The logins of all sessions that need them are in the table.
            None => AnchorRule::new::<std::convert::Infallible>(view, anchor, || Ok(Vec::new())),
        };
        let Ok(attributed) = of_activity(view, namespaces, activity, rule);
        attributed
    }
}

/// An activity as it counts, where that is otherwise than it was written; one that does not count stays as it is, since it belongs to
/// itself alone.
pub fn as_counted<'a, 'line: 'a>(
    view: &'a View,
    namespaces: &Namespaces,
    activity: &DecodedEvent<'line>,
) -> Option<DecodedEvent<'a>> {
    let graph = view.graph();
    if graph.counting().is_empty() {
        return None;
    }
    let mut differs = false;
    let mut identities = SmallVec::new();
    for &(namespace, value) in &activity.identities {
        // A line may name one that no stored event has.
        let is_named = usize::from(namespace.0) < namespaces.len();
        let own = is_named.then(|| namespaces.get_in(namespace, graph.namespaces())).flatten();
        let id = own.and_then(|own| graph.identities().get(own, value));
        match id.map(|id| (id, graph.counting().of(id))) {
            Some((id, Some(other))) if id != other => {
                differs = true;
                identities.push((namespace, graph.identities().value(other)));
            }
            Some((_, None)) => differs = true,
            Some((_, Some(_))) | None => identities.push((namespace, value)),
        }
    }
    let DecodedEvent { time, id, profile, .. } = *activity;
    (differs && !identities.is_empty()).then_some(DecodedEvent { time, id, identities, profile, recalled: None })
}

/// Whom an activity of a log belongs to, and how; `rule` gives the rule of a known anchor. `namespaces` are those it was decoded with.
pub fn of_activity<'v, E>(
    view: &'v View,
    namespaces: &Namespaces,
    activity: &DecodedEvent<'_>,
    rule: impl FnOnce(IdentityId) -> Result<AnchorRule<'v>, E>,
) -> Result<(Identity, AttributionKind), E> {
    match as_counted(view, namespaces, activity) {
        Some(counted) => as_it_counts(view, namespaces, &counted, rule),
        None => as_it_counts(view, namespaces, activity, rule),
    }
}

fn as_it_counts<'v, E>(
    view: &'v View,
    namespaces: &Namespaces,
    activity: &DecodedEvent<'_>,
    rule: impl FnOnce(IdentityId) -> Result<AnchorRule<'v>, E>,
) -> Result<(Identity, AttributionKind), E> {
    let graph = view.graph();
    let written = |(namespace, value): (NamespaceId, Value<'_>)| Identity {
        namespace: namespaces.display(namespace).to_owned(),
        value: value.to_string(),
    };
    let (lowest, highest) = (activity.identities[0], activity.identities[activity.identities.len() - 1]);
    if namespaces.is_unique(highest.0) {
        return Ok((written(highest), AttributionKind::Direct));
    }
    let anchor = if lowest.0 == NamespaceId::SESSION { lowest } else { highest };
    let known = namespaces
        .get_in(anchor.0, graph.namespaces())
        .and_then(|namespace| graph.identities().get(namespace, anchor.1))
        .filter(|&anchor| graph.is_known(anchor));
    match known {
        Some(anchor) => {
            let Attributed { person, kind } = rule(anchor)?.without_customer(activity.time);
            Ok((graph.identity(person.identity()), kind))
        }
        // No stored event carries it: it stays with its own earliest identity, which is its lowest.
        None => Ok((written(lowest), AttributionKind::Anonymous)),
    }
}
