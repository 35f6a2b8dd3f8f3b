//! What is done to a store over its life, and the ways to read it: drawn at random.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestCaseError, TestError, TestRunner};

use crate::history::{History, cases, history};
use crate::oracle::{Event, Id, Life, Policy, Reading, Rules, judge};

/// Tries a law on random cases, and says on how many it held: also of a test that passes, whose output is not shown.
pub fn law<S: Strategy<Value: 'static> + 'static>(name: &str, few: u32, over: S, holds: impl Fn(S::Value)) {
    let over = over.prop_map(|case| Case(Box::new(case))).boxed();
    try_law(name, few, &over, &|case| holds(*case.0.into_any().downcast().expect("a case of this law")));
}

/// A case of some law. What tries cases is compiled once for it, and not once for each law.
#[derive(Debug)]
struct Case(Box<dyn AnyCase>);

trait AnyCase: Debug {
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Debug + 'static> AnyCase for T {
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn try_law(name: &str, few: u32, over: &BoxedStrategy<Case>, holds: &dyn Fn(Case)) {
    let tried = AtomicU64::new(0);
    let outcome = TestRunner::new(cases(few)).run(over, |case| {
        holds(case);
        tried.fetch_add(1, Ordering::Relaxed);
        Ok::<(), TestCaseError>(())
    });
    match outcome {
        Ok(()) => {
            let count = tried.into_inner();
            writeln!(std::io::stderr(), "law: {name}: held over {count} histories").expect("a standard error");
        }
        Err(TestError::Fail(why, least)) => panic!("{name}: {why}\nleast case: {least:#?}"),
        Err(TestError::Abort(why)) => panic!("{name}: {why}"),
    }
}

/// A way to read, over the moments that histories have: at them, and a microsecond beside.
pub fn reading() -> impl Strategy<Value = Reading> {
    let lookback = select(vec![1, 999, 1_000, 1_000_000, 1_001_000, 2_000_000, 4_000_000]);
    let lookback = prop::option::weighted(0.5, lookback);
    (select(Policy::ALL.to_vec()), lookback, prop::option::weighted(0.5, as_of()))
        .prop_map(|(policy, lookback, as_of)| Reading { policy, lookback, as_of })
}

/// A moment between the first event and the last, or a little beside.
pub fn as_of() -> impl Strategy<Value = i64> {
    (-3_000i64..5_000, select(vec![0i64, 1])).prop_flat_map(|(millis, few)| {
        let whole = millis.div_euclid(1000) * 1000;
        select(vec![(whole + few) * 1000, (whole + few) * 1000 - 1, (whole + few) * 1000 + 1, millis * 1000])
    })
}

/// What is done to a store. Pieces are named by their place in the course's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Some pieces are replayed together; those read before only by force.
    Replay { pieces: Vec<usize>, batch_events: usize, force: bool },
    /// The link of two identities, the lower first, counts as never seen; perhaps they never met.
    Unlink(Id, Id),
    /// It counts again.
    Relink(Id, Id),
    /// An identity counts as another of its namespace; perhaps no event carries either.
    Rename(Id, Id),
    /// It counts as itself again.
    RenameBack(Id),
    /// An identity counts as nothing.
    SetAside(Id),
    /// It counts again.
    Release(Id),
    /// A piece that was replayed is taken back.
    RetractSource(usize),
    /// The events of an id are taken back; perhaps there are none.
    RetractEvent(String),
    /// An identity opts out with its person; perhaps no event carries it.
    OptOut(Id),
    /// It opts in again.
    OptIn(Id),
    /// Identities are erased, perhaps with their persons, perhaps up to a moment; perhaps no event carries them.
    Forget { ids: Vec<Id>, whole_person: bool, until: Option<i64> },
    /// Events of one of them are taken in again.
    Readmit(Id),
    /// The process ends and another begins.
    Restart,
}

impl Act {
    /// Whether it changes what identities count as.
    pub fn is_recount(&self) -> bool {
        matches!(self, Self::Rename(..) | Self::RenameBack(_) | Self::SetAside(_) | Self::Release(_))
    }

    /// Lets a decision stand; what is none changes nothing.
    pub fn decide(&self, life: &mut Life) {
        match self {
            Self::Rename(old, new) => drop(life.renamed.insert(old.clone(), new.clone())),
            Self::RenameBack(old) => drop(life.renamed.remove(old)),
            Self::SetAside(id) => drop(life.aside.insert(id.clone())),
            Self::Release(id) => drop(life.aside.remove(id)),
            _ => {}
        }
    }
}

/// A log cut into pieces that overlap, each a source, and what is done with them.
#[derive(Debug, Clone)]
pub struct Course {
    pub rules: Rules,
    pub pieces: Vec<Vec<String>>,
    pub acts: Vec<Act>,
}

/// A course over a history of up to `lines` lines, of up to `acts` acts, none of which erases anything.
pub fn course(lines: usize, acts: usize) -> impl Strategy<Value = Course> {
    course_of(lines, acts, wish().boxed())
}

/// The same with erasures.
pub fn erasing_course(lines: usize, acts: usize) -> impl Strategy<Value = Course> {
    let whom = prop::collection::vec(any::<Index>(), 1..3);
    let forget = (whom, any::<bool>(), prop::option::weighted(0.3, as_of()));
    let wishes = prop_oneof![
        6 => wish(),
        1 => forget.prop_map(|(whom, whole_person, until)| Wish::Forget(whom, whole_person, until)),
        1 => any::<Index>().prop_map(Wish::Readmit),
    ];
    course_of(lines, acts, wishes.boxed())
}

fn course_of(lines: usize, acts: usize, wish: BoxedStrategy<Wish>) -> impl Strategy<Value = Course> {
    let cuts = prop::collection::vec((any::<Index>(), 1..24usize), 1..10);
    (history(lines), cuts, prop::collection::vec(wish, 1..acts)).prop_map(|(history, cuts, wishes)| {
        let all = &history.lines;
        let pieces: Vec<Vec<String>> = cuts
            .iter()
            .map(|(from, length)| {
                let from = from.index(all.len() + 1);
                all[from..(from + length).min(all.len())].to_vec()
            })
            .collect();
        Course { acts: acts_of(&history, pieces.len(), &wishes), pieces, rules: history.rules }
    })
}

/// An act before it is known what there is to act on.
#[derive(Debug, Clone)]
enum Wish {
    Replay(Vec<Index>, usize, bool),
    Unlink(Index),
    Relink(Index),
    Rename(Index, Index),
    RenameBack(Index),
    SetAside(Index),
    Release(Index),
    RetractSource(Index),
    RetractEvent(Index),
    OptOut(Index),
    OptIn(Index),
    Forget(Vec<Index>, bool, Option<i64>),
    Readmit(Index),
    Restart,
}

fn wish() -> impl Strategy<Value = Wish> {
    let pieces = prop::collection::vec(any::<Index>(), 1..4);
    prop_oneof![
        16 => (pieces, select(vec![1, 3, 1_000_000]), prop::bool::weighted(0.3))
            .prop_map(|(pieces, batch_events, force)| Wish::Replay(pieces, batch_events, force)),
        8 => any::<Index>().prop_map(Wish::Unlink),
        6 => any::<Index>().prop_map(Wish::Relink),
        4 => any::<Index>().prop_map(Wish::RetractSource),
        2 => any::<Index>().prop_map(Wish::RetractEvent),
        1 => any::<Index>().prop_map(Wish::OptOut),
        1 => any::<Index>().prop_map(Wish::OptIn),
        2 => Just(Wish::Restart),
        6 => (any::<Index>(), any::<Index>()).prop_map(|(old, new)| Wish::Rename(old, new)),
        4 => any::<Index>().prop_map(Wish::RenameBack),
        2 => any::<Index>().prop_map(Wish::SetAside),
        2 => any::<Index>().prop_map(Wish::Release),
    ]
}

/// Makes the wishes come true: unlinks mostly pairs that meet somewhere in the history, links again what was unlinked, and
/// takes back what was replayed. A wish for which there is nothing comes to nothing.
fn acts_of(history: &History, pieces: usize, wishes: &[Wish]) -> Vec<Act> {
    let judged = judge(&history.rules, &[(String::new(), history.lines.clone())]);
    let mut pairs: Vec<_> = judged.links.iter().map(|link| (link.lower.clone(), link.higher.clone())).collect();
    if history.rules.unique {
        let pair = |session: &str, customer: &str| (Id::session(session), Id::customer(customer));
        pairs.extend([pair("sess-1", "cust-1"), pair("sess-1", "nobody"), pair("nowhere", "cust-1")]);
    }
    let mut ids: Vec<&str> = judged.events.keys().filter_map(Event::id).collect();
    ids.push("of no event");
    let mut everybody: Vec<Id> = judged.identities.keys().cloned().collect();
    everybody.push(Id::session("nowhere"));
    let (mut opted_out, mut erased): (Vec<Id>, Vec<Id>) = (Vec::new(), Vec::new());
    let mut renamed: BTreeMap<Id, Id> = BTreeMap::new();
    let mut aside: Vec<Id> = Vec::new();
    let mut unlinked = Vec::new();
    let mut replayed = BTreeSet::new();
    let act = |wish: &Wish| match wish {
        Wish::Replay(which, batch_events, force) => {
            let mut together: Vec<usize> = Vec::new();
            for at in which.iter().map(|at| at.index(pieces)) {
                if !together.contains(&at) {
                    together.push(at);
                }
            }
            replayed.extend(&together);
            Some(Act::Replay { pieces: together, batch_events: *batch_events, force: *force })
        }
        Wish::Unlink(_) if pairs.is_empty() => None,
        Wish::Unlink(at) => {
            let (lower, higher) = at.get(&pairs).clone();
            unlinked.push((lower.clone(), higher.clone()));
            Some(Act::Unlink(lower, higher))
        }
        Wish::Relink(_) if unlinked.is_empty() => None,
        Wish::Relink(at) => {
            let (lower, higher) = unlinked.swap_remove(at.index(unlinked.len()));
            Some(Act::Relink(lower, higher))
        }
        Wish::Rename(old, new) => {
            let old = old.get(&everybody).clone();
            let same: Vec<&Id> = everybody.iter().filter(|id| id.namespace == old.namespace).collect();
            let new = (*new.get(&same)).clone();
            let mut end = &new;
            while let Some(next) = renamed.get(end) {
                end = next;
            }
            // What would be refused is not an act.
            (*end != old && !renamed.contains_key(&old) && !aside.contains(&old)).then(|| {
                renamed.insert(old.clone(), new.clone());
                Act::Rename(old, new)
            })
        }
        Wish::RenameBack(at) => {
            let olds: Vec<Id> = renamed.keys().cloned().collect();
            let old = (!olds.is_empty()).then(|| at.get(&olds).clone())?;
            renamed.remove(&old);
            Some(Act::RenameBack(old))
        }
        Wish::SetAside(at) => {
            let id = at.get(&everybody).clone();
            (!renamed.contains_key(&id) && !aside.contains(&id)).then(|| {
                aside.push(id.clone());
                Act::SetAside(id)
            })
        }
        Wish::Release(at) => {
            let id = (!aside.is_empty()).then(|| at.index(aside.len()))?;
            Some(Act::Release(aside.swap_remove(id)))
        }
        Wish::RetractSource(_) if replayed.is_empty() => None,
        Wish::RetractSource(at) => {
            let nth = at.index(replayed.len());
            let piece = *replayed.iter().nth(nth).expect("one of them");
            replayed.remove(&piece);
            Some(Act::RetractSource(piece))
        }
        Wish::RetractEvent(at) => Some(Act::RetractEvent((*at.get(&ids)).to_owned())),
        Wish::OptOut(at) => {
            opted_out.push(at.get(&everybody).clone());
            opted_out.last().cloned().map(Act::OptOut)
        }
        Wish::OptIn(_) if opted_out.is_empty() => None,
        Wish::OptIn(at) => Some(Act::OptIn(opted_out.swap_remove(at.index(opted_out.len())))),
        Wish::Forget(whom, whole_person, until) => {
            let ids: Vec<Id> = whom.iter().map(|at| at.get(&everybody).clone()).collect();
            erased.extend(ids.iter().cloned());
            Some(Act::Forget { ids, whole_person: *whole_person, until: *until })
        }
        Wish::Readmit(_) if erased.is_empty() => None,
        Wish::Readmit(at) => Some(Act::Readmit(erased.swap_remove(at.index(erased.len())))),
        Wish::Restart => Some(Act::Restart),
    };
    wishes.iter().filter_map(act).collect()
}
