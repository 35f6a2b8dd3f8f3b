//! Who many identities are: answers of one commit, whose texts stay where they are until they are read.

use std::fmt;

use hashbrown::HashMap;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::graph::Graph;
use crate::model::identity::{Identity, IdentityId, Value, ValueText};
use crate::model::person::{Person, PersonKind, Standing};
use crate::model::time::Time;
use crate::model::writing::{Text, text_or_null};
use crate::resolver::resolution::{self, Resolution};
use crate::resolver::view::View;

/// Answers whose memory is asked for together: while one place is fetched, the others are on their way.
const AT_ONCE: usize = 64;

/// Groups of more members are listed once for all answers of the same person. To look a smaller one up costs more than to list it again.
const SHARED_FROM: usize = 8;

/// Who each of many identities is, in the order in which they were asked about; all by one commit.
///
/// It holds the commit, and an answer reads it: where a [`Resolution`] has a text of its own for each identity, a
/// [`ResolutionRef`] has none. Keep it for a question, not for a day, as a [`View`].
#[derive(Clone)]
pub struct Resolutions {
    view: View,
    found: Vec<Option<NumberedAnswer>>,
    /// The groups of the answers, each in identity order.
    members: Vec<IdentityId>,
}

/// An answer by numbers.
#[derive(Debug, Clone, Copy)]
struct NumberedAnswer {
    id: IdentityId,
    standing: Standing,
    group: GroupPlace,
}

/// Where a group lies.
#[derive(Debug, Clone, Copy)]
struct GroupPlace {
    start: usize,
    len: usize,
}

impl Resolutions {
    /// Who the sessions are under the default reading, for which nothing is read from the store.
    pub(super) fn published<S: AsRef<str>>(view: View, sessions: impl IntoIterator<Item = S>) -> Self {
        let mut ids = Vec::new();
        let mut sessions = sessions.into_iter();
        let mut block: Vec<S> = Vec::with_capacity(AT_ONCE);
        loop {
            block.extend(sessions.by_ref().take(AT_ONCE));
            if block.is_empty() {
                break;
            }
            view.find_sessions(&block, &mut ids);
            block.clear();
        }
        let mut found = Self { found: Vec::with_capacity(ids.len()), members: Vec::with_capacity(2 * ids.len()), view };
        let mut groups = HashMap::new();
        for block in ids.chunks(AT_ONCE) {
            let graph = found.view.graph();
            graph.visit_groups(block.iter().copied().flatten());
            for &id in block {
                let answer = id.and_then(|id| {
                    let standing = graph.standing(id);
                    // Where a link led to a customer, an event carries the identity.
                    (standing.since.is_some() || graph.is_known(id)).then_some((id, standing))
                });
                let members = &mut found.members;
                let answer = answer.map(|(id, standing)| {
                    let group = listed(graph, standing.person, &mut groups, members);
                    NumberedAnswer { id, standing, group }
                });
                found.found.push(answer);
            }
        }
        found
    }

    /// Who identities are that were found, under the reading of the view.
    pub(super) fn of<E>(
        view: View,
        ids: impl IntoIterator<Item = Option<IdentityId>>,
        mut standing: impl FnMut(IdentityId) -> Result<Standing, E>,
    ) -> Result<Self, E> {
        let mut all = Self { view, found: Vec::new(), members: Vec::new() };
        let mut groups: HashMap<Person, GroupPlace> = HashMap::new();
        for id in ids {
            let Some(id) = id else {
                all.found.push(None);
                continue;
            };
            let stands = standing(id)?;
            let group = match groups.get(&stands.person) {
                Some(&group) => group,
                None => {
                    let members = resolution::group(&all.view, stands.person, &mut standing)?;
                    let group = GroupPlace { start: all.members.len(), len: members.len() };
                    all.members.extend(members);
                    groups.insert(stands.person, group);
                    group
                }
            };
            all.found.push(Some(NumberedAnswer { id, standing: stands, group }));
        }
        Ok(all)
    }

    /// How many were asked about.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Who the identity at this place of the question is; `None` when no event carries it, or nothing was asked there.
    pub fn get(&self, at: usize) -> Option<ResolutionRef<'_>> {
        self.answer(self.found.get(at)?.as_ref())
    }

    /// The answers, in the order of the question; `None` where no event carries the identity.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<ResolutionRef<'_>>> {
        self.found.iter().map(|found| self.answer(found.as_ref()))
    }

    fn answer<'a>(&'a self, found: Option<&'a NumberedAnswer>) -> Option<ResolutionRef<'a>> {
        let found = found?;
        let GroupPlace { start, len } = found.group;
        Some(ResolutionRef { graph: self.view.graph(), found, group: &self.members[start..start + len] })
    }
}

/// Lists the group of a person, which is all of the person's under the default reading.
fn listed(
    graph: &Graph,
    person: Person,
    groups: &mut HashMap<IdentityId, GroupPlace>,
    members: &mut Vec<IdentityId>,
) -> GroupPlace {
    let (id, start) = (person.identity(), members.len());
    if !groups.is_empty()
        && let Some(&listed) = groups.get(&id)
    {
        return listed;
    }
    members.extend(graph.members(id));
    let group = &mut members[start..];
    if group.len() > 1 {
        group.sort_unstable_by(|&a, &b| graph.compare(a, b));
    }
    let place = GroupPlace { start, len: group.len() };
    if place.len > SHARED_FROM {
        groups.insert(id, place);
    }
    place
}

impl Serialize for Resolutions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl fmt::Debug for Resolutions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Who one of many identities is: what a [`Resolution`] says, read from its [`Resolutions`].
#[derive(Clone, Copy)]
pub struct ResolutionRef<'a> {
    graph: &'a Graph,
    found: &'a NumberedAnswer,
    group: &'a [IdentityId],
}

impl<'a> ResolutionRef<'a> {
    /// The identity that was asked for.
    pub fn identity(self) -> IdentityRef<'a> {
        IdentityRef::of(self.graph, self.found.id)
    }

    /// The identity that names the person: the customer or, of an anonymous group, its earliest identity.
    pub fn person(self) -> IdentityRef<'a> {
        IdentityRef::of(self.graph, self.found.standing.person.identity())
    }

    /// Whether the person is a customer.
    pub fn kind(self) -> PersonKind {
        self.found.standing.person.kind()
    }

    /// The customer's value, if the person is one.
    pub fn customer(self) -> Option<ValueText<'a>> {
        match self.found.standing.person {
            Person::Customer(customer) => Some(IdentityRef::of(self.graph, customer).value()),
            Person::Anonymous(_) => None,
        }
    }

    /// The moment that first connected the identity to the customer; none for the customer itself and where it is anonymous.
    pub fn since(self) -> Option<Time> {
        self.found.standing.since
    }

    /// Every identity of the person, in identity order.
    pub fn group(self) -> impl ExactSizeIterator<Item = IdentityRef<'a>> {
        self.group.iter().map(move |&id| IdentityRef::of(self.graph, id))
    }

    /// The same with texts of its own, as [`Resolver::resolve`](crate::resolver::Resolver::resolve) gives it.
    pub fn to_resolution(self) -> Resolution {
        Resolution {
            identity: self.identity().to_identity(),
            person: self.person().to_identity(),
            kind: self.kind(),
            customer: self.customer().map(|customer| customer.to_string()),
            since: self.since(),
            group: self.group().map(IdentityRef::to_identity).collect(),
        }
    }
}

/// As a [`Resolution`].
impl Serialize for ResolutionRef<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Resolution", 6)?;
        fields.serialize_field("identity", &self.identity())?;
        fields.serialize_field("person", &Text(&self.person()))?;
        fields.serialize_field("kind", &self.kind())?;
        fields.serialize_field("customer", &self.customer().as_deref())?;
        fields.serialize_field("since", &TimeOrNull(self.since()))?;
        fields.serialize_field("group", &GroupTexts(*self))?;
        fields.end()
    }
}

struct TimeOrNull(Option<Time>);

impl Serialize for TimeOrNull {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        text_or_null(&self.0, to)
    }
}

struct GroupTexts<'a>(ResolutionRef<'a>);

impl Serialize for GroupTexts<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let texts = self.0.group().map(|member| member.to_string());
        to.collect_seq(texts)
    }
}

impl fmt::Debug for ResolutionRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_resolution().fmt(f)
    }
}

/// An identity of an answer, read from where the commit keeps it: written as `ecommerceId:18278`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityRef<'a> {
    namespace: &'a str,
    value: Value<'a>,
}

impl<'a> IdentityRef<'a> {
    fn of(graph: &'a Graph, id: IdentityId) -> Self {
        let all = graph.identities();
        Self { namespace: graph.namespaces().display(all.namespace(id)), value: all.value(id) }
    }

    /// The namespace, as rows and JSON have it.
    pub fn namespace(self) -> &'a str {
        self.namespace
    }

    /// The value, as it was seen.
    pub fn value(self) -> ValueText<'a> {
        self.value.text()
    }

    /// The same with texts of its own.
    pub fn to_identity(self) -> Identity {
        Identity { namespace: self.namespace.to_owned(), value: self.value.to_text() }
    }
}

impl fmt::Display for IdentityRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.value)
    }
}

/// As an [`Identity`].
impl Serialize for IdentityRef<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Identity", 2)?;
        fields.serialize_field("namespace", self.namespace)?;
        fields.serialize_field("value", &*self.value())?;
        fields.end()
    }
}
