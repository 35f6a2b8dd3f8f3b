//! The rule that gives an event to a person, under every reading.
//!
//! Whatever the policy, the events of one anchor that carry no customer follow a short list of moments, each with the customer
//! whose the events are from then on (`carried`); those before the first moment are the first one's too (`retroactive`), as far
//! as the lookback reaches. Where the list is empty, they are anonymous. A policy only says which list that is.

use std::borrow::Cow;
use std::convert::Infallible;

use crate::graph::Graph;
use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::model::link::Link;
use crate::model::person::{AttributionKind, Person, Standing};
use crate::model::policy::{Lookback, Policy};
use crate::model::time::Time;
use crate::resolver::view::View;
use crate::store::scan::Group;

/// Whom an event belongs to, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributed {
    /// The person.
    pub person: Person,
    /// How the event came to the person.
    pub kind: AttributionKind,
}

/// Whom a session belongs to by a login on it.
fn by_login(graph: &Graph, session: IdentityId, customer: IdentityId) -> Standing {
    let since = graph.login(session, customer).map(|link| link.first);
    Standing { person: Person::Customer(customer), since }
}

/// From when on the events of an anchor belong to which customer.
pub type Moment = (Time, IdentityId);

/// What an anchor follows under a reading, as far as links tell.
enum Course {
    /// Its group's owner.
    Group,
    /// This customer, whose first login on the session was then.
    Customer(Moment),
    /// Each of its logins in turn, which only its events tell.
    EachLogin,
    /// The last of its logins, which only its events tell.
    LastLogin,
    /// No customer: it stays apart from its group.
    Apart,
}

impl Course {
    /// Looks at no more than two logins, but under `last-login`, where it is all of them.
    fn new(view: &View, anchor: IdentityId) -> Self {
        let (graph, reading) = (view.graph(), view.reading());
        if reading.policy == Policy::Strict {
            return if !graph.is_customer(anchor) && view.met(anchor).several() { Self::Apart } else { Self::Group };
        }
        if !reading.policy.follows_logins() || !graph.is_session(anchor) {
            return Self::Group;
        }
        let mut logins = graph.logins_of(anchor).map(|(_, link)| link);
        let Some(first) = logins.next() else { return Self::Group };
        let shared = logins.next().is_some();
        match reading.policy {
            Policy::FirstLogin | Policy::Strict => Self::Group,
            Policy::DeviceSplit if shared => Self::EachLogin,
            // The last login of each customer is known of all events, not of those up to a moment.
            Policy::LastLogin if shared && reading.as_of.is_some() => Self::LastLogin,
            Policy::LastLogin if shared => Self::by(latest(graph, anchor).unwrap_or(first)),
            Policy::DeviceSplit | Policy::LastLogin => Self::by(first),
        }
    }

    fn by(login: &Link) -> Self {
        Self::Customer((login.first, login.higher))
    }
}

/// The login of the greatest (time, value) on a session.
fn latest(graph: &Graph, session: IdentityId) -> Option<&Link> {
    let logins = graph.logins_of(session).map(|(_, link)| link);
    logins.max_by(|a, b| a.last.cmp(&b.last).then_with(|| graph.compare(a.higher, b.higher)))
}

/// Whether more than one customer logged in on a session.
pub fn has_several_logins(graph: &Graph, session: IdentityId) -> bool {
    graph.logins_of(session).take(2).count() == 2
}

/// Whom a session or another identity belongs to. `logins` is asked only where links do not tell.
pub fn standing<E>(
    view: &View,
    id: IdentityId,
    logins: impl FnOnce() -> Result<Vec<Moment>, E>,
) -> Result<Standing, E> {
    let graph = view.graph();
    Ok(match Course::new(view, id) {
        Course::Group => graph.standing(id),
        Course::Customer((since, customer)) => Standing { person: Person::Customer(customer), since: Some(since) },
        Course::Apart => Standing { person: Person::Anonymous(id), since: None },
        Course::EachLogin | Course::LastLogin => {
            let customer = match view.reading().as_of {
                None => latest(graph, id).map(|login| login.higher),
                Some(_) => logins()?.last().map(|&(_, customer)| customer),
            };
            match customer {
                Some(customer) => by_login(graph, id, customer),
                None => graph.standing(id),
            }
        }
    })
}

/// The logins of a session among its stored events, up to `until`: a moment for each change of customer, in the order of (time, value).
/// Linear in the events, but for a sort of logins of one time.
pub fn logins(graph: &Graph, until: Time, group: &Group<'_>) -> Vec<Moment> {
    let login = |event: Event<'_>| {
        let customer = *event.companions.last()?;
        graph.login(group.anchor(), customer).map(|_| (event.time, customer))
    };
    let events = group.events().take_while(|event| event.time <= until);
    let mut moments: Vec<Moment> = events.filter_map(login).collect();
    moments.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| graph.compare(a.1, b.1)));
    moments.dedup_by_key(|&mut (_, customer)| customer);
    moments
}

/// What the events of one anchor have in common: looked up once, asked for each.
pub struct AnchorRule<'g> {
    graph: &'g Graph,
    anchor: IdentityId,
    standing: Standing,
    /// The only moment, where there is at most one: nearly always.
    only: Option<Moment>,
    /// All moments, where there are several.
    many: Cow<'g, [Moment]>,
    lookback: Option<Lookback>,
}

impl<'g> AnchorRule<'g> {
    /// The rule for the events of `anchor`. `logins` (as [`logins`] gives them) is asked only where links do not tell.
    pub fn new<E>(
        view: &'g View,
        anchor: IdentityId,
        logins: impl FnOnce() -> Result<Vec<Moment>, E>,
    ) -> Result<Self, E> {
        let (graph, lookback) = (view.graph(), view.reading().lookback);
        let rule = |standing, only| Self { graph, anchor, standing, only, many: Cow::Borrowed(&[]), lookback };
        let by_group = || Self { lookback, ..Self::by_standing(graph, anchor, graph.standing(anchor)) };
        Ok(match Course::new(view, anchor) {
            Course::Group => by_group(),
            Course::Customer((since, customer)) => {
                rule(Standing { person: Person::Customer(customer), since: Some(since) }, Some((since, customer)))
            }
            Course::Apart => rule(Standing { person: Person::Anonymous(anchor), since: None }, None),
            Course::EachLogin => {
                let logins = logins()?;
                match logins.last() {
                    Some(&(_, last)) => Self { many: Cow::Owned(logins), ..rule(by_login(graph, anchor, last), None) },
                    None => by_group(),
                }
            }
            Course::LastLogin => match logins()?.last() {
                Some(&(_, last)) => {
                    let standing = by_login(graph, anchor, last);
                    rule(standing, standing.since.map(|since| (since, last)))
                }
                None => by_group(),
            },
        })
    }

    /// The rule for the events of an anchor that stands so: under the default reading, nothing else tells.
    pub fn by_standing(graph: &'g Graph, anchor: IdentityId, standing: Standing) -> Self {
        // A customer is its own from the first.
        let moment = |customer| (standing.since.unwrap_or(Time::from_micros(i64::MIN)), customer);
        let only = match standing.person {
            Person::Customer(customer) => Some(moment(customer)),
            Person::Anonymous(_) => None,
        };
        Self { graph, anchor, standing, only, many: Cow::Borrowed(&[]), lookback: None }
    }

    /// The rule for the events of a group at hand.
    pub fn of_group(view: &'g View, group: &Group<'_>) -> Self {
        let logins = || Ok(logins(view.graph(), view.reading().until(), group));
        let Ok(rule) = Self::new::<Infallible>(view, group.anchor(), logins);
        rule
    }

    /// The rule for the events of a shared session whose moments are known.
    pub fn of_moments(view: &'g View, session: IdentityId, moments: &'g [Moment]) -> Self {
        let standing = Standing { person: Person::Anonymous(session), since: None };
        let (graph, lookback) = (view.graph(), view.reading().lookback);
        Self { graph, anchor: session, standing, only: None, many: Cow::Borrowed(moments), lookback }
    }

    /// Whom the anchor belongs to.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The moments, ascending.
    pub fn moments(&self) -> &[Moment] {
        if self.many.is_empty() { self.only.as_slice() } else { &self.many }
    }

    /// Whom one of its events belongs to.
    pub fn attribute(&self, event: &Event<'_>) -> Attributed {
        match carried_customer(self.graph, self.anchor, event.companions) {
            Some(customer) => Attributed { person: Person::Customer(customer), kind: AttributionKind::Direct },
            None => self.without_customer(event.time),
        }
    }

    /// Whom an event at `time` belongs to that carries no customer. O(log moments).
    pub fn without_customer(&self, time: Time) -> Attributed {
        let moments = self.moments();
        let given = |customer, kind| Attributed { person: Person::Customer(customer), kind };
        match moments.partition_point(|&(from, _)| from <= time).checked_sub(1) {
            Some(at) => given(moments[at].1, AttributionKind::Carried),
            None => match moments.first() {
                None => Attributed { person: self.standing.person, kind: AttributionKind::Anonymous },
                Some(&(first, _)) if self.lookback.is_some_and(|lookback| lookback.ends_after(time, first)) => {
                    Attributed { person: Person::Anonymous(self.anchor), kind: AttributionKind::Anonymous }
                }
                Some(&(_, customer)) => given(customer, AttributionKind::Retroactive),
            },
        }
    }
}

/// The customer that an event carries: the highest of its identities, if that is unique.
pub fn carried_customer(graph: &Graph, anchor: IdentityId, companions: &[IdentityId]) -> Option<IdentityId> {
    let customer = |id: &IdentityId| graph.namespaces().is_unique(graph.identities().namespace(*id));
    companions.last().copied().filter(customer).or_else(|| Some(anchor).filter(customer))
}
