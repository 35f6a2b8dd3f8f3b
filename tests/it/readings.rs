//! One set of facts, read in many ways: every clause of the four policies, of the lookback and of as-of, each on a journey
//! made by hand whose answers were worked out by hand.

use std::collections::BTreeMap;
use std::fs;

use backstitch::model::event::{DecodedEvent, EventId};
use backstitch::model::identity::Value;
use backstitch::rows::DiffRow;
use backstitch::{Attribute, Engine, Identity, Policy, Reading, Resolution, Settings, Time, Totals, View};

use crate::harness::replayed;
use crate::oracle::Rules;

/// An event: when on a day (`HH:MM`), and its identities (`s:` a session, `d:` a device, `e:` an e-mail, `c:` a customer).
type Told = (&'static str, &'static str);

/// A tablet on which Ann and Bob take turns, Ann's phone, a mail that both sessions carry, and an anonymous browser.
const FAMILY: &[Told] = &[
    ("08:00", "s:tablet"),
    ("09:00", "s:tablet c:ann"),
    ("10:00", "s:tablet"),
    ("11:00", "s:tablet c:bob"),
    ("12:00", "s:tablet"),
    ("13:00", "s:tablet c:ann"),
    ("14:00", "s:tablet c:bob"),
    ("15:00", "s:tablet"),
    ("07:00", "s:phone"),
    ("09:30", "s:phone e:ann@example.org"),
    ("16:00", "s:phone c:ann"),
    ("17:00", "s:phone"),
    ("18:00", "e:ann@example.org"),
    ("10:30", "s:mail-only e:ann@example.org"),
    ("19:00", "s:mail-only"),
    ("20:00", "s:nobody"),
];

/// A moment of the day.
fn time(clock: &str) -> Time {
    Time::parse(&format!("2026-11-02T{clock}:00Z")).expect("a moment")
}

/// The identity that is meant, namespace and value.
fn id(short: &str) -> (&'static str, &str) {
    match short.split_once(':') {
        Some(("s", value)) => ("sessionId", value),
        Some(("d", value)) => ("deviceid", value),
        Some(("e", value)) => ("email", value),
        Some(("c", value)) => ("ecommerceId", value),
        _ => panic!("no identity: {short}"),
    }
}

fn line(&(clock, identities): &Told) -> String {
    let identities = identities.split_whitespace().map(id);
    let identities: BTreeMap<&str, &str> = identities.collect();
    serde_json::json!({"timestamp": time(clock).to_string(), "user": {"identities": identities}}).to_string() + "\n"
}

fn text(told: &[Told]) -> String {
    told.iter().map(line).collect()
}

fn store(told: &[Told]) -> Engine {
    replayed(&Rules::default(), &text(told))
}

fn view(told: &[Told], reading: Reading) -> View {
    store(told).resolver().view().under(reading)
}

fn by(policy: Policy) -> Reading {
    policy.into()
}

fn back(policy: Policy, lookback: &str) -> Reading {
    Reading { lookback: Some(lookback.parse().expect("a lookback")), ..by(policy) }
}

fn short(identity: &str) -> String {
    identity
        .replace("sessionId:", "s:")
        .replace("ecommerceId:", "c:")
        .replace("email:", "e:")
        .replace("deviceid:", "d:")
}

fn totals(view: &View) -> Totals {
    view.totals().expect("a sound store")
}

fn found(view: &View, identity: &str) -> Option<Resolution> {
    let (namespace, value) = id(identity);
    view.resolve_in(namespace, value).expect("a sound store")
}

/// Person and since (`HH:MM`) of an identity.
fn who(view: &View, identity: &str) -> String {
    let Some(found) = found(view, identity) else { return "unknown".into() };
    let since = found.since.map(|since| format!(" since {}", &since.to_string()[11..16]));
    short(&found.person.to_string()) + &since.unwrap_or_default()
}

fn group(view: &View, identity: &str) -> Vec<String> {
    let found = found(view, identity).expect("known");
    found.group.iter().map(|member| short(&member.to_string())).collect()
}

/// Clock, kind and person of each event, in the order told, as `attribute` writes them.
fn given(view: &View, told: &[Told]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log.ndjson");
    fs::write(&file, text(told)).expect("written");
    let mut out = Vec::new();
    Attribute::of([file]).write(view, &Settings::default(), &mut out).expect("readable");
    let rows = String::from_utf8(out).expect("UTF-8");
    let row = |row: &str| {
        let row: serde_json::Value = serde_json::from_str(row).expect("a line of JSON");
        let text = |name: &str| row[name].as_str().expect("text").to_owned();
        format!("{} {} {}", &text("timestamp")[11..16], text("attribution"), short(&text("person")))
    };
    rows.lines().map(row).collect()
}

/// Clock, kind and person of each event of an identity's person.
fn events(view: &View, identity: &str) -> Vec<String> {
    let (namespace, value) = id(identity);
    let rows = view.events(namespace, value).expect("a sound store").expect("known");
    let row = |row: &backstitch::resolver::EventRow| {
        let (time, person) = (row.time.to_string(), short(&row.person.to_string()));
        format!("{} {} {person}", &time[11..16], row.attribution.word())
    };
    rows.iter().map(row).collect()
}

/// What the tablet's events are, in the order told.
fn tablet(reading: Reading) -> Vec<String> {
    given(&view(FAMILY, reading), &FAMILY[..8])
}

/// Everything that is said under the reading of a view, by every way of asking, says the same of each of these events.
fn assert_one_story(view: &View, told: &[Told]) {
    let counted: Vec<&Told> =
        told.iter().filter(|(clock, _)| view.reading().as_of.is_none_or(|until| time(clock) <= until)).collect();
    let counted: Vec<Told> = counted.into_iter().copied().collect();
    let given = given(view, &counted);
    let totals = totals(view);
    let of_kind = |kind: &str| given.iter().filter(|row| row.split(' ').nth(1) == Some(kind)).count() as u64;
    let kinds = &totals.attribution;
    assert_eq!(
        [kinds.direct, kinds.retroactive, kinds.carried, kinds.anonymous],
        ["direct", "retroactive", "carried", "anonymous"].map(of_kind)
    );
    let namespaces = view.graph().namespaces();
    for (told, given) in counted.iter().zip(&given) {
        let identities = told.1.split_whitespace().map(id);
        let identities = identities.map(|(name, value)| (namespaces.get(name).expect("met"), Value::new(value)));
        let activity = DecodedEvent {
            time: time(told.0),
            id: EventId::Line(0),
            identities: identities.collect(),
            profile: Default::default(),
            recalled: None,
        };
        let (person, kind) = view.attribute(namespaces, &activity).expect("a sound store");
        assert_eq!(format!("{} {} {}", told.0, kind.word(), short(&person.to_string())), *given);
    }
    let mut identities: Vec<&str> = counted.iter().flat_map(|(_, identities)| identities.split(' ')).collect();
    identities.sort_unstable();
    identities.dedup();
    let sessions = view.sessions().expect("a sound store");
    assert_eq!(sessions.len() as u64, totals.sessions);
    for identity in &identities {
        let resolved = found(view, identity).expect("known");
        let person = short(&resolved.person.to_string());
        let mut expected: Vec<&String> =
            given.iter().filter(|row| row.split(' ').nth(2) == Some(person.as_str())).collect();
        let listed = events(view, identity);
        let mut told: Vec<&String> = listed.iter().collect();
        expected.sort();
        told.sort();
        // Whatever a lookback leaves with an anchor of a person is an anonymous event.
        assert_eq!(told, expected, "events of {identity} under {}", view.reading());
        let same: Vec<String> = identities
            .iter()
            .filter(|other| found(view, other).is_some_and(|found| found.person == resolved.person))
            .map(|other| (*other).to_owned())
            .collect();
        let mut listed = group(view, identity);
        listed.sort();
        assert_eq!(listed, same, "the group of {identity} under {}", view.reading());
        let (namespace, value) = id(identity);
        let of_person = view.sessions_of(namespace, value).expect("a sound store").expect("known");
        let expected: Vec<_> = sessions.iter().filter(|row| row.person == resolved.person).cloned().collect();
        assert_eq!(of_person, expected, "the sessions of {identity} under {}", view.reading());
        if namespace == "sessionId" {
            let row = sessions.iter().find(|row| row.session == value).expect("a row");
            assert_eq!((&row.person, row.since), (&resolved.person, resolved.since));
            let carry = counted.iter().filter(|(_, ids)| ids.split(' ').any(|id| id == *identity)).count() as u64;
            assert_eq!(row.events, carry, "{identity}");
        }
    }
}

#[test]
fn the_tablet_under_the_four_policies() {
    let direct = ["09:00 direct c:ann", "11:00 direct c:bob", "13:00 direct c:ann", "14:00 direct c:bob"];
    let rest = |policy| {
        let given = tablet(by(policy));
        let (carry, rest): (Vec<_>, Vec<_>) = given.into_iter().partition(|row| row.contains(" direct "));
        assert_eq!(carry, direct, "{policy}");
        rest
    };
    assert_eq!(
        rest(Policy::FirstLogin),
        ["08:00 retroactive c:ann", "10:00 carried c:ann", "12:00 carried c:ann", "15:00 carried c:ann"]
    );
    assert_eq!(
        rest(Policy::DeviceSplit),
        ["08:00 retroactive c:ann", "10:00 carried c:ann", "12:00 carried c:bob", "15:00 carried c:bob"]
    );
    assert_eq!(
        rest(Policy::LastLogin),
        ["08:00 retroactive c:bob", "10:00 retroactive c:bob", "12:00 carried c:bob", "15:00 carried c:bob"]
    );
    assert_eq!(
        rest(Policy::Strict),
        [
            "08:00 anonymous s:tablet",
            "10:00 anonymous s:tablet",
            "12:00 anonymous s:tablet",
            "15:00 anonymous s:tablet"
        ]
    );
}

#[test]
fn whose_the_tablet_is_and_who_is_in_the_group() {
    let whose = |policy, identity| who(&view(FAMILY, by(policy)), identity);
    assert_eq!(whose(Policy::FirstLogin, "s:tablet"), "c:ann since 09:00");
    assert_eq!(whose(Policy::DeviceSplit, "s:tablet"), "c:bob since 11:00");
    assert_eq!(whose(Policy::LastLogin, "s:tablet"), "c:bob since 11:00");
    assert_eq!(whose(Policy::Strict, "s:tablet"), "s:tablet");
    for policy in Policy::ALL {
        assert_eq!(whose(policy, "s:phone"), "c:ann since 16:00", "{policy}");
        assert_eq!(whose(policy, "e:ann@example.org"), "c:ann since 16:00", "{policy}");
        assert_eq!(whose(policy, "s:mail-only"), "c:ann since 16:00", "{policy}");
        assert_eq!(whose(policy, "c:bob"), "c:bob", "{policy}");
        assert_eq!(whose(policy, "s:nobody"), "s:nobody", "{policy}");
    }
    let strict = view(FAMILY, by(Policy::Strict));
    assert_eq!(group(&strict, "s:tablet"), ["s:tablet"]);
    assert_eq!(group(&strict, "c:ann"), ["s:mail-only", "s:phone", "e:ann@example.org", "c:ann"]);
    let split = view(FAMILY, by(Policy::DeviceSplit));
    assert_eq!(group(&split, "c:bob"), ["s:tablet", "c:bob"]);
    assert_eq!(group(&split, "s:tablet"), ["s:tablet", "c:bob"]);
}

#[test]
fn every_way_of_asking_says_the_same() {
    for policy in Policy::ALL {
        assert_one_story(&view(FAMILY, by(policy)), FAMILY);
        for clock in ["07:00", "09:00", "11:30", "13:00", "16:00", "23:00"] {
            let reading = Reading { as_of: Some(time(clock)), ..by(policy) };
            assert_one_story(&view(FAMILY, reading), FAMILY);
        }
        assert_one_story(&view(FAMILY, back(policy, "1h")), FAMILY);
    }
}

#[test]
fn a_session_without_logins_of_its_own_follows_its_group_under_all_policies() {
    for policy in Policy::ALL {
        let given = given(&view(FAMILY, by(policy)), &FAMILY[12..]);
        let expected =
            ["18:00 carried c:ann", "10:30 retroactive c:ann", "19:00 carried c:ann", "20:00 anonymous s:nobody"];
        assert_eq!(given, expected, "{policy}");
    }
}

#[test]
fn a_login_of_its_own_goes_before_the_group_but_not_under_first_login() {
    // The mail is Ann's when Bob logs in on the session that carries it.
    let told = &[
        ("08:00", "s:1 e:mail"),
        ("09:00", "e:mail c:ann"),
        ("10:00", "s:1 c:bob"),
        ("11:00", "s:1"),
        ("09:30", "s:1"),
    ];
    let after = |policy| {
        let view = view(told, by(policy));
        assert_one_story(&view, told);
        (who(&view, "s:1"), given(&view, &[told[0], told[3], told[4]]).join(", "))
    };
    let ann = "08:00 retroactive c:ann, 11:00 carried c:ann, 09:30 carried c:ann";
    let bob = "08:00 retroactive c:bob, 11:00 carried c:bob, 09:30 retroactive c:bob";
    assert_eq!(after(Policy::FirstLogin), ("c:ann since 09:00".into(), ann.into()));
    // It met both.
    let neither = "08:00 anonymous s:1, 11:00 anonymous s:1, 09:30 anonymous s:1";
    assert_eq!(after(Policy::Strict), ("s:1".into(), neither.into()));
    assert_eq!(after(Policy::DeviceSplit), ("c:bob since 10:00".into(), bob.into()));
    assert_eq!(after(Policy::LastLogin), ("c:bob since 10:00".into(), bob.into()));
}

#[test]
fn logins_of_one_moment_are_ordered_by_value() {
    let told = &[
        ("08:00", "s:1"),
        ("09:00", "s:1 c:b"),
        ("09:00", "s:1 c:a"),
        ("09:00", "s:1 c:aa"),
        ("09:00", "s:1"),
        ("10:00", "s:1"),
    ];
    let rest = [told[0], told[4], told[5]];
    let split = view(told, by(Policy::DeviceSplit));
    assert_eq!(given(&split, &rest), ["08:00 retroactive c:a", "09:00 carried c:b", "10:00 carried c:b"]);
    assert_eq!(who(&split, "s:1"), "c:b since 09:00");
    let last = view(told, by(Policy::LastLogin));
    assert_eq!(given(&last, &rest), ["08:00 retroactive c:b", "09:00 carried c:b", "10:00 carried c:b"]);
    for policy in Policy::ALL {
        assert_one_story(&view(told, by(policy)), told);
        assert_one_story(&view(told, Reading { as_of: Some(time("09:00")), ..by(policy) }), told);
    }
}

#[test]
fn who_was_there_again_at_the_moment_of_another_stays() {
    // At 09:00 Bob, who was there before, and Ann: by value Ann comes first, so Bob is the last.
    let told = &[("08:00", "s:1 c:bob"), ("09:00", "s:1 c:bob"), ("09:00", "s:1 c:ann"), ("09:00", "s:1")];
    let split = view(told, by(Policy::DeviceSplit));
    assert_eq!(given(&split, &told[3..]), ["09:00 carried c:bob"]);
    assert_eq!(who(&split, "s:1"), "c:bob since 08:00");
}

#[test]
fn under_last_login_what_counts_is_the_first_time_of_the_last_customer() {
    // Bob is the last, and was there at 09:00 already: what lies between is carried.
    let told = &[
        ("08:00", "s:1"),
        ("09:00", "s:1 c:bob"),
        ("10:00", "s:1"),
        ("11:00", "s:1 c:ann"),
        ("12:00", "s:1"),
        ("13:00", "s:1 c:bob"),
    ];
    let rest = [told[0], told[2], told[4]];
    let last = view(told, by(Policy::LastLogin));
    assert_eq!(given(&last, &rest), ["08:00 retroactive c:bob", "10:00 carried c:bob", "12:00 carried c:bob"]);
    let at_noon = view(told, Reading { as_of: Some(time("12:00")), ..by(Policy::LastLogin) });
    assert_eq!(given(&at_noon, &rest), ["08:00 retroactive c:ann", "10:00 retroactive c:ann", "12:00 carried c:ann"]);
    assert_eq!(who(&at_noon, "s:1"), "c:ann since 11:00");
}

#[test]
fn a_lookback_reaches_exactly_so_far_and_leaves_the_rest_with_the_anchor() {
    let told = &[
        ("07:59", "s:1"),
        ("08:00", "s:1"),
        ("09:00", "s:1 c:ann"),
        ("15:00", "s:1"),
        ("10:00", "s:2 e:mail"),
        ("11:30", "e:mail c:ann"),
    ];
    for policy in Policy::ALL {
        let view = view(told, back(policy, "1h"));
        let expected = [
            "07:59 anonymous s:1",
            "08:00 retroactive c:ann",
            "09:00 direct c:ann",
            "15:00 carried c:ann",
            "10:00 anonymous s:2",
            "11:30 direct c:ann",
        ];
        assert_eq!(given(&view, told), expected, "{policy}");
        // It is of events alone.
        assert_eq!(who(&view, "s:1"), "c:ann since 09:00");
        assert_eq!(who(&view, "s:2"), "c:ann since 11:30");
        assert_eq!(events(&view, "s:1").len(), 4);
        assert_eq!(totals(&view).linked_sessions, 2);
    }
    assert!(given(&view(told, back(Policy::FirstLogin, "90m")), told).contains(&"10:00 retroactive c:ann".into()));
}

#[test]
fn each_policy_looks_back_from_its_own_moment() {
    let of = |policy| tablet(back(policy, "1h")).into_iter().filter(|row| !row.contains("direct")).collect::<Vec<_>>();
    assert_eq!(of(Policy::DeviceSplit)[0], "08:00 retroactive c:ann", "an hour before Ann's first");
    assert_eq!(of(Policy::LastLogin)[..2], ["08:00 anonymous s:tablet", "10:00 retroactive c:bob"]);
    let half = tablet(back(Policy::DeviceSplit, "30m"));
    assert_eq!(half[0], "08:00 anonymous s:tablet");
}

/// As of a moment, all that is said is what is said of the events up to then and no others.
#[test]
fn as_of_is_the_default_of_the_events_up_to_then() {
    let stored = store(FAMILY).resolver().view();
    let lookbacks = [None, Some("1h".parse().expect("a lookback"))];
    let clocks = FAMILY.iter().map(|(clock, _)| *clock).chain(["06:00", "10:59", "11:01", "23:00"]);
    for clock in clocks {
        let then: Vec<Told> = FAMILY.iter().copied().filter(|(told, _)| time(told) <= time(clock)).collect();
        let fresh = store(&then).resolver().view();
        for (policy, lookback) in Policy::ALL.into_iter().flat_map(|policy| lookbacks.map(|back| (policy, back))) {
            let reading = Reading { policy, lookback, as_of: None };
            let (now, past) = (fresh.under(reading), stored.under(Reading { as_of: Some(time(clock)), ..reading }));
            let at = format!("{} at {clock}", reading);
            assert_eq!(totals(&past), totals(&now), "{at}");
            assert_eq!(past.sessions().expect("sound"), now.sessions().expect("sound"), "{at}");
            for identity in FAMILY.iter().flat_map(|(_, identities)| identities.split(' ')) {
                assert_eq!(found(&past, identity), found(&now, identity), "{identity}, {at}");
                let (namespace, value) = id(identity);
                let told = |view: &View| view.events(namespace, value).expect("sound").map(|rows| rows.len());
                assert_eq!(told(&past), told(&now), "{identity}, {at}");
            }
            assert_eq!(given(&past, &then), given(&now, &then), "{at}");
        }
    }
}

#[test]
fn before_it_was_seen_an_identity_is_unknown() {
    let view = view(FAMILY, Reading { as_of: Some(time("10:59")), ..Reading::default() });
    assert_eq!(who(&view, "c:bob"), "unknown");
    assert_eq!(who(&view, "s:phone"), "s:phone", "an hour and a half old, but anonymous");
    assert_eq!(view.events("ecommerceId", "bob").expect("sound"), None);
    assert_eq!(view.sessions_of("sessionId", "nobody").expect("sound"), None);
    let totals = totals(&view);
    assert_eq!((totals.customers, totals.sessions, totals.shared_sessions), (1, 3, 0));
    // A line after the moment is told by what was known then; one of an anchor that had not come stays with it.
    let after = [("15:00", "s:tablet"), ("20:00", "s:nobody")];
    assert_eq!(given(&view, &after), ["15:00 carried c:ann", "20:00 anonymous s:nobody"]);
    // Without a session it stays with its lowest identity, as a line does whose identities no event ever carried.
    let told = &[("08:00", "s:1"), ("20:00", "d:pad e:later")];
    let at_nine = self::view(told, Reading { as_of: Some(time("09:00")), ..Reading::default() });
    assert_eq!(given(&at_nine, &told[1..]), ["20:00 anonymous d:pad"]);
}

#[test]
fn the_customer_as_of_a_moment_without_a_graph_of_its_own() {
    let resolver = store(FAMILY).resolver();
    for (clock, _) in FAMILY {
        let view = resolver.view().under(Reading { as_of: Some(time(clock)), ..Reading::default() });
        for session in ["tablet", "phone", "mail-only", "nobody", "never"] {
            let expected = view.resolve_in("sessionId", session).expect("sound").and_then(|found| found.customer);
            assert_eq!(resolver.customer_as_of(session, time(clock)), expected, "{session} at {clock}");
        }
    }
    assert_eq!(resolver.customer_as_of("tablet", time("09:00")).as_deref(), Some("ann"));
    assert_eq!(resolver.customer_as_of("tablet", time("08:59")), None);
}

#[test]
fn a_view_is_read_anew_from_the_whole_not_from_a_reading() {
    let past = view(FAMILY, Reading { as_of: Some(time("08:30")), ..by(Policy::Strict) });
    assert_eq!(who(&past, "s:tablet"), "s:tablet");
    let later = past.under(Reading { as_of: Some(time("10:00")), ..Reading::default() });
    assert_eq!(who(&later, "s:tablet"), "c:ann since 09:00");
    assert_eq!(totals(&past.under(Reading::default())), totals(&view(FAMILY, Reading::default())));
}

#[test]
fn where_nobody_met_a_second_customer_all_policies_agree() {
    let told: Vec<Told> = FAMILY.iter().copied().filter(|(_, identities)| !identities.contains("c:bob")).collect();
    let expected = given(&view(&told, Reading::default()), &told);
    for policy in Policy::ALL {
        let view = view(&told, by(policy));
        assert_eq!(totals(&view), totals(&self::view(&told, Reading::default())), "{policy}");
        assert_eq!(given(&view, &told), expected, "{policy}");
    }
}

#[test]
fn without_a_unique_namespace_nobody_is_a_customer_and_policies_change_nothing() {
    let rules = Rules { unique: false, ..Rules::default() };
    let view = replayed(&rules, &text(FAMILY)).resolver().view();
    for policy in Policy::ALL {
        assert_eq!(totals(&view.under(back(policy, "1h"))), totals(&view), "{policy}");
    }
}

#[test]
fn a_difference_is_what_changes_hands_from_one_reading_to_the_other() {
    let view = view(FAMILY, Reading::default());
    let diff = |a, b| {
        let rows = view.diff(a, b).expect("a sound store");
        let named = |person: Option<Identity>| person.map_or("unknown".into(), |person| short(&person.to_string()));
        let row = |row: DiffRow| {
            format!("{} {} {} {} {}", row.session, named(row.from), named(row.to), row.events, row.moved)
        };
        rows.into_iter().map(row).collect::<Vec<_>>()
    };
    let first = Reading::default();
    assert_eq!(diff(first, by(Policy::DeviceSplit)), ["tablet c:ann c:bob 8 2"]);
    assert_eq!(diff(first, by(Policy::LastLogin)), ["tablet c:ann c:bob 8 4"]);
    assert_eq!(diff(first, by(Policy::Strict)), ["tablet c:ann s:tablet 8 4"]);
    assert_eq!(diff(by(Policy::Strict), by(Policy::DeviceSplit)), ["tablet s:tablet c:bob 8 4"]);
    assert_eq!(diff(by(Policy::DeviceSplit), by(Policy::LastLogin)), ["tablet c:bob c:bob 8 2"]);
    assert_eq!(diff(first, first), [""; 0]);
    // A lookback moves events, and nobody.
    let moved = ["mail-only c:ann c:ann 2 1", "phone c:ann c:ann 4 2", "tablet c:ann c:ann 8 1"];
    assert_eq!(diff(first, back(Policy::FirstLogin, "30m")), moved);
    // What is not known under both is not moved; what is known under one alone is told.
    let at_eight = Reading { as_of: Some(time("08:00")), ..first };
    let grown = [
        "mail-only unknown c:ann 2 0",
        "nobody unknown s:nobody 1 0",
        "phone s:phone c:ann 4 1",
        "tablet s:tablet c:ann 8 1",
    ];
    assert_eq!(diff(at_eight, first), grown);
}

#[test]
fn a_shared_session_is_shared_out_as_its_events_are_given() {
    for bounds in [Reading::default(), back(Policy::FirstLogin, "30m")] {
        for as_of in [None, Some(time("12:00")), Some(time("10:00"))] {
            let view = view(FAMILY, Reading { as_of, ..bounds });
            let rows = view.shared().expect("a sound store");
            if as_of == Some(time("10:00")) {
                assert_eq!(rows, [], "Bob had not come yet");
                continue;
            }
            let [row] = &rows[..] else { panic!("{rows:?}") };
            let told = &FAMILY[..if as_of.is_some() { 5 } else { 8 }];
            let logins: Vec<_> =
                row.customers.iter().map(|met| (short(&met.customer.to_string()), met.logins)).collect();
            let each = if as_of.is_some() { 1 } else { 2 };
            assert_eq!(logins, [("c:ann".to_owned(), each), ("c:bob".to_owned(), each)]);
            let anonymous = told.len() as u64 - 2 * each;
            assert_eq!((&*row.session, row.events, row.anonymous), ("tablet", told.len() as u64, anonymous));
            assert_eq!(row.shares.iter().map(|shares| shares.policy).collect::<Vec<_>>(), Policy::ALL);
            for shares in &row.shares {
                let mut expected: BTreeMap<String, u64> = BTreeMap::new();
                for given in given(&view.under(Reading { policy: shares.policy, ..*view.reading() }), told) {
                    *expected.entry(given.rsplit(' ').next().expect("a person").to_owned()).or_default() += 1;
                }
                let told = shares.people.iter().map(|share| (short(&share.person.to_string()), share.events));
                assert_eq!(told.collect::<BTreeMap<_, _>>(), expected, "{}", shares.policy);
            }
        }
    }
}

/// A terminal of a whole town: what is asked of each of its events must not cost a look at all its customers.
#[test]
fn a_session_of_many_customers_is_read_in_linear_time() {
    const CUSTOMERS: usize = 100_000;
    let mut log = String::new();
    for at in 0..CUSTOMERS {
        let time = |micros: usize| Time::from_micros(1_000_000 * at as i64 + micros as i64);
        let line = |time: Time, customer: String| {
            format!("{{\"timestamp\":\"{time}\",\"user\":{{\"identities\":{{\"sessionId\":\"1\"{customer}}}}}}}\n")
        };
        log += &line(time(0), format!(",\"ecommerceId\":\"c{at}\""));
        log += &line(time(1), String::new());
    }
    let engine = replayed(&Rules::default(), &log);
    let begun = std::time::Instant::now();
    for policy in [Policy::DeviceSplit, Policy::LastLogin] {
        let until = Time::from_micros(1_000_000 * CUSTOMERS as i64);
        for as_of in [None, Some(until)] {
            let view = engine.resolver().view().under(Reading { as_of, ..by(policy) });
            let totals = totals(&view);
            let carried = if policy == Policy::DeviceSplit { CUSTOMERS } else { 1 } as u64;
            assert_eq!((totals.attribution.carried, totals.shared_sessions), (carried, 1));
            let attributor = view.attributor().expect("sound");
            let session = view.graph().namespaces().get("sessionId").expect("always");
            for at in 0..CUSTOMERS {
                let time = Time::from_micros(1_000_000 * at as i64 + 1);
                let identities = [(session, Value::new("1"))].into_iter().collect();
                let activity = DecodedEvent {
                    time,
                    id: EventId::Line(0),
                    identities,
                    profile: Default::default(),
                    recalled: None,
                };
                let (person, _) = attributor.attribute(view.graph().namespaces(), &activity);
                let expected = if policy == Policy::DeviceSplit { at } else { CUSTOMERS - 1 };
                assert_eq!(person.value, format!("c{expected}"));
            }
        }
    }
    // By the square it would be minutes for each.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
