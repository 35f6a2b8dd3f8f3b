//! What a set of events is taken to mean, under one way of reading it.
//!
//! Naive on purpose. What lies after the as-of moment is left out before anything else is thought about; the links are
//! sorted and joined one after the other; the logins of a session are sorted, and each event looks through all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_128;

use super::{Event, Id, Pairs, rfc3339};

/// How an event came to its person, in the words of the command line.
pub const KINDS: [&str; 4] = ["direct", "retroactive", "carried", "anonymous"];

/// Who gets an event that carries no customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    FirstLogin,
    DeviceSplit,
    LastLogin,
    Strict,
}

impl Policy {
    pub const ALL: [Self; 4] = [Self::FirstLogin, Self::DeviceSplit, Self::LastLogin, Self::Strict];

    pub fn word(self) -> &'static str {
        match self {
            Self::FirstLogin => "first-login",
            Self::DeviceSplit => "device-split",
            Self::LastLogin => "last-login",
            Self::Strict => "strict",
        }
    }
}

/// How the facts are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    pub policy: Policy,
    /// How many microseconds before a login its customer's events may lie.
    pub lookback: Option<i64>,
    /// Nothing later than this is known, in microseconds.
    pub as_of: Option<i64>,
}

/// What is known of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub person: Id,
    /// The moment that gave it its customer; `None` for that customer, and where there is none.
    pub since: Option<i64>,
    /// All identities of that person, in identity order.
    pub group: Vec<Id>,
    /// The link that first connected it to the customer of its group.
    pub joined: Option<Link>,
}

/// A line of `sessions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub session: String,
    pub person: String,
    pub since: Option<String>,
    pub events: u64,
    /// Its customer, where it has one.
    pub customer: Option<String>,
    pub first: String,
    pub last: String,
}

/// Two identities that shared an event, one of them its highest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub first: i64,
    pub higher: Id,
    pub lower: Id,
    pub last: i64,
    pub count: u64,
}

impl Link {
    pub fn key(&self) -> (i64, &Id, &Id) {
        (self.first, &self.higher, &self.lower)
    }
}

/// Everything there is to say about a set of events.
#[derive(Debug, Clone)]
pub struct Belief {
    /// Each event once, with its person and kind.
    pub events: BTreeMap<Event, (Id, &'static str)>,
    pub identities: BTreeMap<Id, Answer>,
    /// The customers that each identity met.
    pub met: BTreeMap<Id, BTreeSet<Id>>,
    /// In key order; those of unlinked pairs too.
    pub links: Vec<Link>,
    /// Refused links, in key order.
    pub refused: Vec<Link>,
    /// In the order of [`KINDS`].
    pub attribution: [u64; 4],
    pub sessions: u64,
    pub customers: u64,
    pub linked_sessions: u64,
    pub shared_sessions: u64,
    pub digest: String,
    /// Sorted by session.
    pub rows: Vec<SessionRow>,
}

impl Belief {
    /// What `events` mean, when the links of the pairs in `unlinked` count as never seen.
    pub fn of<'e>(events: impl IntoIterator<Item = &'e Event>, unlinked: &Pairs, reading: Reading) -> Self {
        let seen = |event: &&Event| reading.as_of.is_none_or(|last| event.time <= last);
        let events: BTreeSet<&Event> = events.into_iter().filter(seen).collect();
        let links = links(&events);
        let counted: Vec<&Link> =
            links.iter().filter(|link| !unlinked.contains(&(link.lower.clone(), link.higher.clone()))).collect();
        let (owners, refused) = owners(&events, &counted);
        let logins = logins(&events, unlinked);
        let met = met(&events, unlinked, &owners);
        let on = |anchor: &Id| logins.get(anchor).map_or(&[][..], Vec::as_slice);
        let people = owners
            .iter()
            .map(|(id, owner)| (id.clone(), person_of(id, owner, on(id), met[id].len(), reading.policy)))
            .collect::<BTreeMap<_, _>>();
        let identities = with_groups(people);
        let attributed: BTreeMap<Event, (Id, &'static str)> = events
            .iter()
            .map(|event| {
                let anchor = event.anchor();
                ((*event).clone(), attribute(event, &owners[anchor], on(anchor), met[anchor].len(), reading))
            })
            .collect();
        let mut on_session: HashMap<&Id, Vec<i64>> = HashMap::new();
        for event in &events {
            on_session.entry(event.anchor()).or_default().push(event.time);
        }
        let time = |time: Option<&i64>| rfc3339(*time.expect("a session has events"));
        let sessions = || identities.iter().filter(|(id, _)| id.is_session());
        let rows = sessions()
            .map(|(id, answer)| SessionRow {
                session: id.value.clone(),
                person: answer.person.to_string(),
                since: answer.since.map(rfc3339),
                events: on_session[id].len() as u64,
                customer: answer.person.is_customer().then(|| answer.person.value.clone()),
                first: time(on_session[id].iter().min()),
                last: time(on_session[id].iter().max()),
            })
            .collect();
        Self {
            attribution: KINDS.map(|word| attributed.values().filter(|(_, kind)| *kind == word).count() as u64),
            sessions: sessions().count() as u64,
            customers: identities.keys().filter(|id| id.is_customer()).count() as u64,
            linked_sessions: sessions().filter(|(_, answer)| answer.person.is_customer()).count() as u64,
            shared_sessions: sessions().filter(|(id, _)| met[*id].len() > 1).count() as u64,
            digest: digest(&identities, &attributed),
            rows,
            refused,
            events: attributed,
            links,
            identities,
            met,
        }
    }

    /// The events of a person, by time.
    pub fn events_of(&self, person: &Id) -> Vec<(&Event, &'static str)> {
        self.events.iter().filter(|(_, (whose, _))| whose == person).map(|(event, (_, kind))| (event, *kind)).collect()
    }

    /// The identity that is printed like this.
    pub fn id(&self, printed: &str) -> Option<&Id> {
        self.identities.keys().find(|id| id.to_string() == printed)
    }
}

fn links(events: &BTreeSet<&Event>) -> Vec<Link> {
    let mut links: BTreeMap<(Id, Id), Link> = BTreeMap::new();
    for event in events {
        let higher = event.highest();
        for lower in event.ids.iter().filter(|id| *id != higher) {
            let link = links.entry((lower.clone(), higher.clone())).or_insert(Link {
                first: event.time,
                higher: higher.clone(),
                lower: lower.clone(),
                last: event.time,
                count: 0,
            });
            link.first = link.first.min(event.time);
            link.last = link.last.max(event.time);
            link.count += 1;
        }
    }
    let mut links: Vec<Link> = links.into_values().collect();
    links.sort_by(|a, b| a.key().cmp(&b.key()));
    links
}

/// A login: when, and who. In the order of logins: by time, then by the bytes of the value.
type Login = (i64, Id);

/// The logins of each anchor, sorted.
fn logins(events: &BTreeSet<&Event>, unlinked: &Pairs) -> HashMap<Id, Vec<Login>> {
    let mut logins: HashMap<Id, Vec<Login>> = HashMap::new();
    for event in events.iter().filter(|event| event.highest().is_customer() && event.anchor() != event.highest()) {
        let pair = (event.anchor().clone(), event.highest().clone());
        if !unlinked.contains(&pair) {
            logins.entry(pair.0).or_default().push((event.time, pair.1));
        }
    }
    for logins in logins.values_mut() {
        logins.sort();
    }
    logins
}

/// Whom each identity met: a customer itself, any other its owner and whom the highest identities met that are on an event with it.
fn met(events: &BTreeSet<&Event>, unlinked: &Pairs, owners: &BTreeMap<Id, Answer>) -> BTreeMap<Id, BTreeSet<Id>> {
    let mut met: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    // Listed once: a look through all events for each identity was most of what the oracle did.
    let mut with: HashMap<&Id, Vec<&Event>> = HashMap::new();
    for event in events {
        event.ids.iter().for_each(|id| with.entry(id).or_default().push(event));
    }
    for (id, owner) in owners.iter().rev() {
        let mut customers: BTreeSet<Id> = [&owner.person].into_iter().filter(|id| id.is_customer()).cloned().collect();
        for event in &with[id] {
            let highest = event.highest();
            if highest != id && !unlinked.contains(&(id.clone(), highest.clone())) {
                customers.extend(met[highest].iter().cloned()); // in identity order the highest comes last
            }
        }
        met.insert(id.clone(), customers);
    }
    met
}

/// The first login of a customer, of logins in order.
fn first_of<'l>(logins: &'l [Login], customer: &Id) -> Option<&'l Login> {
    logins.iter().find(|(_, who)| who == customer)
}

/// Section 3, word for word. A group is a label; joining two walks all identities and relabels one side.
fn owners(events: &BTreeSet<&Event>, links: &[&Link]) -> (BTreeMap<Id, Answer>, Vec<Link>) {
    let mut first_seen: BTreeMap<&Id, i64> = BTreeMap::new();
    for event in events {
        for id in &event.ids {
            let first = first_seen.entry(id).or_insert(event.time);
            *first = event.time.min(*first);
        }
    }
    let ids: Vec<&Id> = first_seen.keys().copied().collect(); // in identity order
    let place: HashMap<&Id, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let mut label: Vec<usize> = (0..ids.len()).collect();
    let mut owner: Vec<Option<usize>> = (0..ids.len()).map(|at| ids[at].is_customer().then_some(at)).collect(); // by label
    let mut joined: Vec<Option<&Link>> = vec![None; ids.len()];
    let mut refused = Vec::new();
    for &link in links {
        let (a, b) = (label[place[&link.lower]], label[place[&link.higher]]);
        if a == b {
            continue;
        }
        if owner[a].is_some() && owner[b].is_some() {
            refused.push(link.clone());
            continue;
        }
        let both = owner[a].or(owner[b]);
        for at in 0..ids.len() {
            if (label[at] == a || label[at] == b) && owner[label[at]].is_none() && both.is_some() {
                joined[at] = Some(link);
            }
            if label[at] == b {
                label[at] = a;
            }
        }
        owner[a] = both;
    }
    let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, &group) in label.iter().enumerate() {
        groups.entry(group).or_default().push(at);
    }
    let answers = ids.iter().enumerate().map(|(at, id)| {
        let group = &groups[&label[at]];
        let earliest = *group.iter().min_by_key(|&&member| (first_seen[ids[member]], member)).expect("holds itself");
        let person = owner[label[at]].unwrap_or(earliest);
        let since = joined[at].map(|link| link.first);
        let answer = Answer { person: ids[person].clone(), since, group: Vec::new(), joined: joined[at].cloned() };
        ((*id).clone(), answer)
    });
    (answers.collect(), refused)
}

/// Whom an identity belongs to under a policy; `owner` is what the default says, `logins` are its own, `met` says how many customers
/// it met.
fn person_of(id: &Id, owner: &Answer, logins: &[Login], met: usize, policy: Policy) -> Answer {
    match (policy, logins.last()) {
        (Policy::Strict, _) if met > 1 => Answer { person: id.clone(), since: None, ..owner.clone() },
        (Policy::FirstLogin | Policy::Strict, _) | (_, None) => owner.clone(),
        _ if !id.is_session() => owner.clone(),
        (Policy::DeviceSplit | Policy::LastLogin, Some((_, customer))) => {
            let (since, _) = first_of(logins, customer).expect("the last is one of them");
            Answer { person: customer.clone(), since: Some(*since), ..owner.clone() }
        }
    }
}

/// Everybody with the same person is one group.
fn with_groups(mut people: BTreeMap<Id, Answer>) -> BTreeMap<Id, Answer> {
    let mut groups: HashMap<Id, Vec<Id>> = HashMap::new();
    for (id, answer) in &people {
        groups.entry(answer.person.clone()).or_default().push(id.clone());
    }
    for answer in people.values_mut() {
        answer.group.clone_from(&groups[&answer.person]);
    }
    people
}

/// Whose an event is, and how it came there.
fn attribute(event: &Event, owner: &Answer, logins: &[Login], met: usize, reading: Reading) -> (Id, &'static str) {
    if event.highest().is_customer() {
        return (event.highest().clone(), "direct");
    }
    let anchor = event.anchor();
    // The person, and the moment from which on it counts as carried.
    let found: Option<(&Id, Option<i64>)> = match reading.policy {
        Policy::Strict if met > 1 => return (anchor.clone(), "anonymous"),
        Policy::FirstLogin | Policy::Strict => None,
        _ if logins.is_empty() || !anchor.is_session() => None,
        Policy::LastLogin => {
            let (_, last) = logins.last().expect("there are some");
            first_of(logins, last).map(|(first, who)| (who, Some(*first)))
        }
        Policy::DeviceSplit => {
            let before = logins.iter().rfind(|(time, _)| *time <= event.time);
            before.or(logins.first()).map(|(time, who)| (who, Some(*time)))
        }
    };
    let (person, moment) = found.unwrap_or((&owner.person, owner.since));
    if !person.is_customer() {
        return (person.clone(), "anonymous");
    }
    match moment {
        Some(moment) if event.time < moment => match reading.lookback {
            Some(reach) if moment - event.time > reach => (anchor.clone(), "anonymous"),
            _ => (person.clone(), "retroactive"),
        },
        _ => (person.clone(), "carried"),
    }
}

fn digest(identities: &BTreeMap<Id, Answer>, events: &BTreeMap<Event, (Id, &'static str)>) -> String {
    let element = |sort: u8, kind: u8, what: u128, person: &Id| {
        xxh3_128(&[&[sort, kind][..], &what.to_le_bytes(), &person.hash().to_le_bytes()].concat())
    };
    let known = identities.iter().map(|(id, answer)| element(b'i', b'-', id.hash(), &answer.person));
    let happened = events.iter().map(|(event, (person, kind))| element(b'e', kind.as_bytes()[0], event.hash(), person));
    format!("{:032x}", known.chain(happened).fold(0, u128::wrapping_add))
}
