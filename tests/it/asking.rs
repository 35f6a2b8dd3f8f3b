//! What a service asks of a resolver and a view.

use backstitch::rows::ResolutionRef;
use backstitch::{
    Activity, Engine, Identity, Lookback, PersonKind, Policy, Reading, Resolution, Resolutions, Resolver, Time, View,
};

use crate::place::file;

const TABLET: &str = "sess-family-tablet";
const LAPTOP: &str = "sess-ben-laptop";

fn journeys() -> Engine {
    let mut engine = Engine::in_memory();
    engine.replay([file("fixtures/journeys.ndjson")]).expect("replayed");
    engine
}

fn person(view: &View, session: &str) -> String {
    view.resolve(session).expect("a sound store").expect("known").person.to_string()
}

/// The answers with texts of their own.
fn owned(answers: &Resolutions) -> Vec<Option<Resolution>> {
    answers.iter().map(|found| found.map(ResolutionRef::to_resolution)).collect()
}

#[test]
fn many_at_once_are_answered_in_their_order() {
    let resolver = journeys().resolver();
    let asked = [TABLET, "never-seen", LAPTOP, TABLET];
    let answers = resolver.resolve_many(asked);
    assert_eq!(owned(&answers), asked.map(|session| resolver.resolve(session)));
    assert_eq!((answers.len(), answers.is_empty()), (4, false));
    let clara = answers.get(0).expect("known");
    assert_eq!(
        (clara.person().to_string(), clara.customer().as_deref()),
        ("ecommerceId:clara".to_owned(), Some("clara"))
    );
    assert_eq!((clara.person().namespace(), &*clara.person().value()), ("ecommerceId", "clara"));
    assert!(answers.get(1).is_none() && answers.get(4).is_none());
    assert_eq!(owned(&resolver.resolve_many(asked.map(str::to_owned))), owned(&answers));
    assert!(resolver.resolve_many([""; 0]).is_empty());
}

/// More than are looked up together, and groups that several answers share; by each policy, and as of a moment.
#[test]
fn many_at_once_are_answered_as_one_by_one() {
    let mut engine = Engine::in_memory();
    let people = (0..300_u64).flat_map(|session| {
        let time = Time::from_micros(1_000_000 * session as i64);
        let at = |time| Activity::at(time).identity("sessionId", format!("s{session}"));
        let named = match session % 5 {
            0 => at(time),
            1 => at(time).identity("ecommerceId", format!("{:08x}-6994-41e2-875d-97ec4d19254b", session % 7)),
            2 => at(time).identity("email", format!("{}@example.org", session % 3)),
            _ => at(time).identity("ecommerceId", (session % 4).to_string()),
        };
        let again = at(Time::from_micros(time.as_micros() + 500)).identity("ecommerceId", (session % 9).to_string());
        [Some(named), (session % 11 == 0).then_some(again)].into_iter().flatten()
    });
    engine.push("people", people, "1").expect("pushed");
    engine.set_aside([identity("s7")]).expect("set aside");
    engine.rename([(identity("s8"), identity("s9"))]).expect("renamed");
    let resolver = engine.resolver();
    let asked: Vec<String> = (0..310).map(|session| format!("  s{} ", session * 7 % 310)).collect();
    let one_by_one: Vec<_> = asked.iter().map(|session| resolver.resolve(session)).collect();
    assert!(one_by_one.iter().flatten().any(|found| found.group.len() > 20));
    let many = resolver.resolve_many(&asked);
    assert_eq!(owned(&many), one_by_one);
    assert_eq!(serde_json::to_string(&many).expect("text"), serde_json::to_string(&one_by_one).expect("text"));
    for policy in Policy::ALL {
        for as_of in [None, Some(Time::from_micros(150_000_000))] {
            let view = resolver.view().under(Reading { policy, lookback: None, as_of });
            let many = view.resolve_many(&asked).expect("a sound store");
            let one_by_one: Vec<_> =
                asked.iter().map(|session| view.resolve(session).expect("a sound store")).collect();
            assert_eq!(owned(&many), one_by_one, "{policy:?} {as_of:?}");
        }
    }
}

fn identity(session: &str) -> Identity {
    Identity::new("sessionId", session)
}

#[test]
fn many_at_once_are_of_one_commit() {
    let mut engine = journeys();
    let resolver = engine.resolver();
    // The link is taken back after the first question was asked, and before the last is.
    let mut engine = Some(&mut engine);
    let asked = (0..3).map(|at| {
        if let Some(engine) = engine.take_if(|_| at == 1) {
            engine.unlink(TABLET, "clara").expect("a store that can be written");
        }
        TABLET
    });
    let people: Vec<String> =
        resolver.resolve_many(asked).iter().map(|found| found.expect("known").person().to_string()).collect();
    assert_eq!(people, ["ecommerceId:clara"; 3]);
    assert_eq!(resolver.resolve(TABLET).expect("known").person.to_string(), "ecommerceId:dan");
}

#[test]
fn another_namespace_is_asked_by_its_name() {
    let resolver = journeys().resolver();
    for namespace in ["ecommerceId", "ECOMMERCEID", " ecommerceid "] {
        let clara = resolver.resolve_in(namespace, " clara ").expect("known");
        assert_eq!(clara.identity, clara.person);
        assert_eq!(Some(clara), resolver.view().resolve_in(namespace, "clara").expect("a sound store"));
    }
    assert_eq!(resolver.resolve("clara"), None, "no session");
    assert_eq!(resolver.resolve_in("sessionId", TABLET), resolver.resolve(TABLET));
}

#[test]
fn a_view_is_read_in_another_way_step_by_step() {
    let view = journeys().resolver().view();
    let (lookback, until): (Lookback, _) = ("5m".parse().expect("a lookback"), Time::parse("2026-11-02T09:45:00Z"));
    let until = until.expect("a time");
    let stepwise = view.as_of(until).policy(Policy::LastLogin).lookback(lookback);
    let reading = Reading { policy: Policy::LastLogin, lookback: Some(lookback), as_of: Some(until) };
    assert_eq!(*stepwise.reading(), reading);
    assert_eq!(stepwise.totals().expect("sound"), view.under(reading).totals().expect("sound"));
    assert_ne!(stepwise.totals().expect("sound"), view.totals().expect("sound"));
    assert_eq!(*view.reading(), Reading::default(), "the view itself stays");
    assert_eq!(person(&view.policy(Policy::LastLogin), TABLET), "ecommerceId:dan");
    assert_eq!(*view.policy(Policy::Strict).policy(Policy::DeviceSplit).reading(), Policy::DeviceSplit.into());
}

#[test]
fn a_view_tells_its_place_in_the_feed() {
    let mut engine = journeys();
    let (before, sequence) = (engine.resolver().view(), engine.feed().sequence());
    assert!(sequence.0 > 0);
    assert_eq!(before.sequence(), sequence);
    let undone = engine.unlink(TABLET, "clara").expect("a store that can be written");
    let after = engine.resolver().view();
    assert_eq!((after.sequence(), before.sequence()), (undone.sequence, sequence));
    assert!(after.sequence() > sequence);
    assert_eq!(after.policy(Policy::Strict).as_of(Time::from_micros(0)).sequence(), after.sequence());
    let then = engine.known_at(sequence).expect("not trimmed");
    assert_eq!((then.sequence(), then.generation() + 1), (sequence, engine.generation()));
    // The rows of a view and the records up to its number are one table.
    let moved: Vec<_> =
        engine.feed().changes(sequence).expect("not trimmed").map(|record| record.expect("sound")).collect();
    assert_eq!(moved.last().expect("a record").sequence, after.sequence());
    for record in moved {
        assert_eq!(record.to.expect("not gone").to_string(), person(&after, record.session.as_deref().expect("named")));
    }
}

#[test]
fn people_and_what_belongs_to_each() {
    let view = journeys().resolver().view();
    let (rows, totals) = (view.people().expect("sound"), view.totals().expect("sound"));
    let customers = rows.iter().filter(|row| row.kind == PersonKind::Customer);
    assert_eq!(customers.count() as u64, totals.customers);
    assert_eq!(rows.iter().map(|row| row.sessions).sum::<u64>(), totals.sessions);
    assert_eq!(rows.iter().map(|row| row.events).sum::<u64>(), totals.attribution.events());
    for row in &rows {
        let (namespace, value) = (&row.person.namespace, &row.person.value);
        let found = view.resolve_in(namespace, value).expect("sound").expect("known");
        assert_eq!((&found.person, found.kind, found.group.len() as u64), (&row.person, row.kind, row.identities));
        assert_eq!(view.events(namespace, value).expect("sound").expect("known").len() as u64, row.events);
    }
}

#[test]
fn a_resolver_can_be_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Resolver>();
    shared::<View>();
}

#[test]
fn events_are_asked_for_one_by_one_or_all_at_once() {
    let view = journeys().resolver().view();
    let all = view.events("ecommerceId", "clara").expect("a sound store").expect("known");
    let mut one_by_one = view.each_event("ecommerceId", "clara").expect("a sound store").expect("known");
    assert!(all.len() > 3 && one_by_one.len() == all.len());
    assert_eq!(one_by_one.next().as_ref(), all.first());
    let rest = one_by_one.clone();
    assert!(one_by_one.eq(all[1..].iter().cloned()) && rest.eq(all[1..].iter().cloned()), "a clone begins where it is");
    assert!(view.each_event("ecommerceId", "never seen").expect("a sound store").is_none());
}
