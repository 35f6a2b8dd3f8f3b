//! How fast is the identity graph? Beside each figure stands the speed of light: a walk over a plain array of as many elements.
//!
//! Sizes and seed are the constants below. `cargo bench --bench union_find`.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a bench that cannot go on has nothing to measure")]

mod machine;

use std::hint::black_box;
use std::time::{Duration, Instant};

use backstitch::graph::interner::{IdentityColumn, Interner};
use backstitch::graph::load::AllFacts;
use backstitch::graph::{Delta, Graph};
use backstitch::model::identity::{IdentityId, Value};
use backstitch::model::link::{Link, Seen, Witness};
use backstitch::model::namespace::NamespaceId;
use backstitch::model::seen::SeenColumn;
use backstitch::{EventHash, Levels, Namespaces, Time};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use petgraph::unionfind::UnionFind;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const SEED: u64 = 18_278;
/// Links, about one a session.
const LINKS: usize = 1_000_000;
const SESSIONS: u64 = 1_000_000;
const CUSTOMERS: u64 = 200_000;
/// Sessions that meet a customer at random, of a hundred; the others meet a customer near their own number.
const SHARED: u64 = 5;
/// The first of the late links that are applied to the whole graph.
const LATE: usize = 10_000;
/// Seconds of one year, over which the links spread; hence the odd tie.
const YEAR: u64 = 31_536_000;
/// Links of the kernel beside its baselines; `KERNEL_LINKS` asks for other numbers: `10000000,100000000`.
const KERNEL_LINKS: &str = "10000000";
/// Microseconds from one link to the next, on average.
const A_LINK: u64 = 1_000;
/// How often each of them is measured, in turn.
const KERNEL_ROUNDS: usize = 5;

fn uuid(numbers: &mut Xoshiro256PlusPlus) -> Value<'static> {
    let mut bytes = [0; 16];
    numbers.fill_bytes(&mut bytes);
    Value::Uuid(bytes)
}

/// One delta with everything, as when a store is opened.
fn history() -> Delta {
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let namespaces = Namespaces::new(Levels::default());
    let customer = namespaces.unique().expect("the default levels have one");
    let mut delta = Delta::new(namespaces);
    for _ in 0..SESSIONS {
        delta.identities.intern(NamespaceId::SESSION, uuid(&mut numbers));
    }
    for _ in 0..CUSTOMERS {
        delta.identities.intern(customer, uuid(&mut numbers));
    }
    delta.seen = delta.identities.ids().map(|id| (id, Seen::at(Time::from_micros(i64::from(id.0))))).collect();
    while delta.links.len() < LINKS {
        let session = numbers.next_u64() % SESSIONS;
        let shared = numbers.next_u64() % 100 < SHARED;
        let customer = if shared { numbers.next_u64() } else { session } % CUSTOMERS;
        let time = Time::from_micros((numbers.next_u64() % YEAR) as i64 * 1_000_000);
        let lower = IdentityId(session as u32);
        let witness = Witness { event: EventHash(0), anchor: lower };
        delta.links.observe(lower, IdentityId((SESSIONS + customer) as u32), time, witness);
    }
    delta
}

fn graph(delta: &Delta) -> Graph {
    let mut graph = Graph::new(delta.namespaces.clone());
    graph.apply(delta.clone()).expect("a delta made for it");
    graph
}

fn build(c: &mut Criterion) {
    let delta = history();
    let mut group = c.benchmark_group("build");
    group.sample_size(10).throughput(Throughput::Elements(LINKS as u64));
    let ends: Vec<u64> = delta.links.as_slice().iter().map(|link| u64::from(link.higher.0)).collect();
    group.bench_function("array_walk", |b| b.iter(|| black_box(&ends).iter().sum::<u64>()));
    group.bench_function("sort_by_time_alone", |b| {
        let keys: Vec<(Time, u32)> =
            delta.links.as_slice().iter().zip(0..).map(|(link, at)| (link.first, at)).collect();
        b.iter_batched_ref(|| keys.clone(), |keys| keys.sort(), BatchSize::PerIteration);
    });
    group.bench_function("apply_to_empty", |b| {
        let empty = Graph::new(delta.namespaces.clone());
        let both = || (empty.clone(), Some(delta.clone()));
        b.iter_batched_ref(both, |(graph, delta)| graph.apply(delta.take().unwrap()), BatchSize::PerIteration);
    });
    group.finish();
    late(c, &delta);
}

/// The links of the history's first days arrive last.
fn late(c: &mut Criterion, delta: &Delta) {
    let mut links = delta.links.as_slice().to_vec();
    links.sort_by_key(|link| link.first);
    let (mut early, mut rest) = (Delta::new(delta.namespaces.clone()), delta.clone());
    rest.links.clear();
    for (at, link) in links.into_iter().enumerate() {
        let part = if at < LATE { &mut early.links } else { &mut rest.links };
        part.merge_link(link);
    }
    let whole = graph(&rest);
    let events: Vec<Delta> = early.links.as_slice().iter().map(|&link| one_event(&early, link)).collect();
    percentiles(with_room(&whole, &events), &events[1..]);
    let mut group = c.benchmark_group("late");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one_event", |b| {
        b.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            let mut left = iterations as usize;
            while left > 0 {
                let (mut graph, some) = (with_room(&whole, &events), left.min(events.len() - 1));
                took += each(&mut graph, &events[1..=some]).into_iter().sum::<Duration>();
                left -= some;
            }
            took
        });
    });
    group.sample_size(10).throughput(Throughput::Elements(LATE as u64));
    group.bench_function("apply", |b| {
        let both = || (whole.clone(), Some(early.clone()));
        b.iter_batched_ref(both, |(graph, delta)| graph.apply(delta.take().unwrap()), BatchSize::PerIteration);
    });
    group.finish();
}

/// A late event by itself: one link, and the two identities seen earlier than was known.
fn one_event(early: &Delta, link: Link) -> Delta {
    let mut delta = Delta::new(early.namespaces.clone());
    delta.links.merge_link(link);
    delta.seen = [link.lower, link.higher].map(|id| (id, Seen::at(link.first))).into();
    delta
}

/// A copy that has grown since: fresh from the copying, its vectors have no room for even one more.
fn with_room(whole: &Graph, events: &[Delta]) -> Graph {
    let mut graph = whole.clone();
    graph.apply(events[0].clone()).expect("a delta made for it");
    graph
}

/// Applies events one after the other, and says how long each took; the room of each is made and freed outside.
fn each(graph: &mut Graph, events: &[Delta]) -> Vec<Duration> {
    let mut took = Vec::with_capacity(events.len());
    for event in events {
        let event = event.clone();
        let start = Instant::now();
        let applied = black_box(graph.apply(event));
        took.push(start.elapsed());
        applied.expect("a delta made for it");
    }
    took
}

/// Percentiles of single late events, which criterion's means do not show.
fn percentiles(mut graph: Graph, events: &[Delta]) {
    let mut took = each(&mut graph, events);
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("late/one_event: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}", at(0.5), at(0.99), at(0.999), at(1.0));
}

fn find(c: &mut Criterion) {
    let graph = graph(&history());
    let in_order: Vec<IdentityId> = graph.identities().ids().collect();
    let mut shuffled = in_order.clone();
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, (numbers.next_u64() % (at as u64 + 1)) as usize);
    }
    let plain: Vec<u32> = graph.identities().ids().map(|id| id.0).collect();
    let mut group = c.benchmark_group("owner");
    group.sample_size(20).throughput(Throughput::Elements(in_order.len() as u64));
    for (name, ids) in [("in_order", &in_order), ("shuffled", &shuffled)] {
        group.bench_function(format!("array_walk_{name}"), |b| {
            b.iter(|| ids.iter().map(|id| u64::from(plain[id.index()])).sum::<u64>());
        });
        group.bench_function(format!("owner_{name}"), |b| {
            b.iter(|| {
                ids.iter().filter_map(|&id| graph.owner(id)).map(|owner| u64::from(owner.customer.0)).sum::<u64>()
            });
        });
    }
    group.finish();
}

fn intern(c: &mut Criterion) {
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let values: Vec<Value<'_>> = (0..SESSIONS).map(|_| uuid(&mut numbers)).collect();
    let mut group = c.benchmark_group("interner");
    group.sample_size(20).throughput(Throughput::Elements(SESSIONS));
    group.bench_function("array_walk", |b| {
        b.iter(|| {
            let byte = |value: &Value<'_>| matches!(value, Value::Uuid(bytes) if bytes[0] == 7);
            black_box(&values).iter().filter(|value| byte(value)).count()
        });
    });
    let fill = |all: &mut Interner| values.iter().for_each(|&value| _ = all.intern(NamespaceId::SESSION, value));
    group.bench_function("intern_new", |b| b.iter_batched_ref(Interner::new, fill, BatchSize::PerIteration));
    let mut all = Interner::new();
    fill(&mut all);
    group.bench_function("intern_known", |b| b.iter(|| fill(&mut all)));
    group.bench_function("get", |b| {
        b.iter(|| values.iter().filter(|value| all.get(NamespaceId::SESSION, **value).is_some()).count());
    });
    group.finish();
}

/// A link of the baselines: when, and between whom.
#[derive(Clone, Copy)]
struct Pair {
    first: u64,
    lower: u32,
    higher: u32,
}

/// How many identities of each level there are; their numbers follow one another.
#[derive(Clone, Copy)]
struct Sizes {
    sessions: u64,
    emails: u64,
    customers: u64,
}

impl Sizes {
    /// The number of the first customer, and of all identities.
    fn bounds(self) -> (usize, usize) {
        let first = self.sessions + self.emails;
        (first as usize, (first + self.customers) as usize)
    }
}

/// The plain way: parents in an array, the negative size at a root; the path is halved on the way.
struct ArrayUnionFind {
    parents: Vec<i32>,
    has_customer: Vec<bool>,
}

impl ArrayUnionFind {
    fn root(&mut self, mut at: usize) -> usize {
        while let Ok(parent) = usize::try_from(self.parents[at]) {
            if let Ok(above) = usize::try_from(self.parents[parent]) {
                self.parents[at] = above as i32;
            }
            at = parent;
        }
        at
    }

    fn unite(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if a == b || self.has_customer[a] && self.has_customer[b] {
            return false;
        }
        let (top, part) = if self.parents[a] <= self.parents[b] { (a, b) } else { (b, a) };
        self.parents[top] += self.parents[part];
        self.parents[part] = top as i32;
        self.has_customer[top] |= self.has_customer[part];
        true
    }
}

/// Joins in the order of time, never two customers: with an array, and with petgraph's.
fn by_array(mut pairs: Vec<Pair>, sizes: Sizes) -> usize {
    pairs.sort_unstable_by_key(|pair| (pair.first, pair.higher, pair.lower));
    let (first, all) = sizes.bounds();
    let mut groups = ArrayUnionFind { parents: vec![-1; all], has_customer: (0..all).map(|at| at >= first).collect() };
    pairs.iter().filter(|pair| groups.unite(pair.lower as usize, pair.higher as usize)).count()
}

fn by_petgraph(mut pairs: Vec<Pair>, sizes: Sizes) -> usize {
    pairs.sort_unstable_by_key(|pair| (pair.first, pair.higher, pair.lower));
    let (first, all) = sizes.bounds();
    let mut groups: UnionFind<u32> = UnionFind::new(all);
    let mut has_customer: Vec<bool> = (0..all).map(|at| at >= first).collect();
    let mut unite = |pair: &Pair| {
        let (a, b) = (groups.find_mut(pair.lower), groups.find_mut(pair.higher));
        if a == b || has_customer[a as usize] && has_customer[b as usize] {
            return false;
        }
        let has = has_customer[a as usize] || has_customer[b as usize];
        groups.union(a, b);
        has_customer[groups.find_mut(a) as usize] = has;
        true
    };
    pairs.iter().filter(|pair| unite(pair)).count()
}

/// The kernel beside its baselines: links that are taken in the order of their keys, the constraint kept, and the answer the same.
///
/// `in turn` are links as a store holds them, by session, whose times rise roughly with it; `shuffled` are those of random times. `through
/// e-mails` no session meets a customer itself: of each but the first link is known only when the links are sorted.
fn kernel(_: &mut Criterion) {
    machine::print();
    let wanted = std::env::var("KERNEL_LINKS").unwrap_or_else(|_| KERNEL_LINKS.to_owned());
    for links in wanted.split(',').map(|links| links.parse::<u64>().expect("a number of links")) {
        let (near, at_random) = (100 * A_LINK, 1_000 * links * A_LINK);
        one_kernel("in turn", links, logins(links, near));
        one_kernel("shuffled", links, logins(links, at_random));
        one_kernel("through e-mails", links, through_emails(links, near));
        one_kernel("through e-mails, shuffled", links, through_emails(links, at_random));
    }
}

/// When the link of a number was first met.
fn time_of(at: u64, spread: u64, numbers: &mut Xoshiro256PlusPlus) -> u64 {
    at * A_LINK + numbers.next_u64() % spread
}

/// Sessions with customers: four sessions for each, five links for four. They are made anew wherever they are needed: of a hundred million
/// links, the graph alone takes most of the memory there is.
fn logins(links: u64, spread: u64) -> (Sizes, impl Iterator<Item = Pair> + Clone) {
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let sizes = Sizes { sessions: links / 5 * 4, emails: 0, customers: links / 5 };
    let pair = move |at| {
        let shared = numbers.next_u64() % 100 < SHARED;
        let customer = if shared { numbers.next_u64() } else { at } % sizes.customers;
        let (lower, higher) = (at * sizes.sessions / links, sizes.sessions + customer);
        Pair { first: time_of(at, spread, &mut numbers), lower: lower as u32, higher: higher as u32 }
    };
    (sizes, (0..links).map(pair))
}

/// Sessions with e-mail addresses, four links for three, and every fifth link an address with a customer, of whom there is one for two.
fn through_emails(links: u64, spread: u64) -> (Sizes, impl Iterator<Item = Pair> + Clone) {
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let sizes = Sizes { sessions: links / 5 * 3, emails: links / 5, customers: links / 10 };
    let of_sessions = links / 5 * 4;
    let pair = move |at| {
        let shared = numbers.next_u64() % 100 < SHARED;
        let other = if shared { numbers.next_u64() } else { at };
        let (turn, lower, higher) = if at < of_sessions {
            (at, at * sizes.sessions / of_sessions, sizes.sessions + other % sizes.emails)
        } else {
            // Addresses are met with customers while sessions still come.
            let email = at - of_sessions;
            (4 * email, sizes.sessions + email, sizes.sessions + sizes.emails + other % sizes.customers)
        };
        Pair { first: time_of(turn, spread, &mut numbers), lower: lower as u32, higher: higher as u32 }
    };
    (sizes, (0..links).map(pair))
}

fn one_kernel(name: &str, links: u64, (sizes, pairs): (Sizes, impl Iterator<Item = Pair> + Clone)) {
    let mut graph = loaded(pairs.clone(), sizes);
    let mut took: [Vec<Duration>; 3] = Default::default();
    for _ in 0..KERNEL_ROUNDS {
        let start = Instant::now();
        graph.rebuild_forest();
        let joined = graph.links().ids().filter(|&link| graph.accepted(link)).count();
        took[0].push(start.elapsed());
        let baselines: [fn(Vec<Pair>, Sizes) -> usize; 2] = [by_array, by_petgraph];
        for (by, took) in baselines.into_iter().zip(&mut took[1..]) {
            let pairs = pairs.clone().collect();
            let start = Instant::now();
            let count = by(black_box(pairs), sizes);
            took.push(start.elapsed());
            assert_eq!(count, joined, "all join the same");
        }
    }
    let [ours, array, petgraph] = took.map(|mut took| {
        took.sort_unstable();
        took[took.len() / 2]
    });
    let by = |other: Duration| other.as_secs_f64() / ours.as_secs_f64();
    println!(
        "kernel, {links} links {name}: {ours:?}; array union-find {array:?} ({:.2} times as long), petgraph {petgraph:?} ({:.2})",
        by(array),
        by(petgraph)
    );
}

/// A graph of these links.
fn loaded(pairs: impl Iterator<Item = Pair>, sizes: Sizes) -> Graph {
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut namespaces = Namespaces::new(Levels::default());
    let customer = namespaces.unique().expect("the default levels have one");
    let email = namespaces.intern("email").expect("room for one more");
    let mut identities = IdentityColumn::default();
    for (count, namespace) in
        [(sizes.sessions, NamespaceId::SESSION), (sizes.emails, email), (sizes.customers, customer)]
    {
        (0..count).for_each(|_| identities.push(namespace, uuid(&mut numbers)));
    }
    let mut seen: SeenColumn = std::iter::repeat_n(Seen::NEVER, sizes.bounds().1).collect();
    let link = |pair: Pair| {
        let (lower, higher) = (IdentityId(pair.lower), IdentityId(pair.higher));
        let first = Time::from_micros(pair.first as i64);
        for id in [lower, higher] {
            let mut known = seen.get(id);
            known.merge(Seen::at(first));
            seen.set(id, known);
        }
        Link { lower, higher, first, witness: Witness { event: EventHash(0), anchor: lower }, last: first, count: 1 }
    };
    let links = pairs.map(link).collect();
    let (unlinks, recounts) = (Vec::new(), Vec::new());
    Graph::of(AllFacts { namespaces, identities, seen, links, unlinks, recounts }).expect("facts that fit")
}

criterion_group!(benches, kernel, build, find, intern);
criterion_main!(benches);
