//! Random histories, as log lines.
//!
//! Few people, few devices and few moments, so that everything collides: shared sessions, ties in time, links that
//! arrive late, repeats. Each fact comes in many dresses: spellings of a namespace, ways to write a moment, escapes,
//! numbers for texts, members in another order, decoys that look like what is read.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::harness::asked;
use crate::oracle::Rules;

/// A store's settings and the lines it is to read.
#[derive(Debug, Clone)]
pub struct History {
    pub rules: Rules,
    pub lines: Vec<String>,
}

/// How many cases a property is tried on.
pub fn cases(few: u32) -> ProptestConfig {
    let cases = asked("BACKSTITCH_CASES").map_or(few, |cases| cases as u32);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A history of up to `most` lines.
pub fn history(most: usize) -> impl Strategy<Value = History> {
    (rules(), prop::collection::vec(step(), 0..most))
        .prop_map(|(rules, steps)| History { rules, lines: render_all(&steps) })
}

/// What stores are made with.
pub fn rules() -> impl Strategy<Value = Rules> {
    let between = select(vec![vec![], vec!["email"], vec!["deviceid", "email"], vec!["email", "deviceid", "never"]]);
    let junk = (prop::bool::weighted(0.8), select(vec![vec![], vec!["Sess-3"], vec!["cust-2", "zoë@example.org"]]));
    (between, prop::bool::weighted(0.8), junk).prop_map(|(between, unique, (builtin_junk, extra))| Rules {
        between: between.into_iter().map(str::to_owned).collect(),
        unique,
        builtin_junk,
        extra_junk: extra.into_iter().map(str::to_owned).collect(),
        ..Rules::default()
    })
}

#[derive(Debug, Clone)]
enum Step {
    Event(Facts, Dress),
    /// An earlier line once more, with other white space around it.
    Repeat(Index, &'static str, &'static str),
    /// An earlier event once more in another dress: a repeat where it has an `id`, another event where not.
    Redress(Index, Dress),
    /// A line that says nothing.
    Noise(&'static str),
}

/// What an event says.
#[derive(Debug, Clone)]
struct Facts {
    /// Moments since the base; see [`moment`].
    moment: u8,
    id: Option<&'static str>,
    session: Option<&'static str>,
    customer: Option<&'static str>,
    email: Option<&'static str>,
    device: Option<&'static str>,
    loyalty: Option<&'static str>,
    fault: Fault,
}

/// What may be wrong with an event, or only look wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Nothing,
    NoMoment,
    BadMoment(&'static str),
    /// A second spelling of `sessionId` with another value.
    Conflict,
    /// A second spelling of `sessionId` with the same value, and one with none.
    Echo,
    /// Spellings in lower case beside others, with values of their own.
    Generated,
    /// A value that is no identity, under a namespace that has no other.
    Junk(&'static str, &'static str),
    /// A namespace that can be none.
    Impossible(&'static str),
    /// An `identities` that is no object.
    NoObject(&'static str),
}

/// How an event is written.
#[derive(Debug, Clone, Copy)]
struct Dress {
    clock: u8,
    spelling: usize,
    value: u8,
    order: u8,
    decoys: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let space = select(vec!["", " ", "\t", "  \t "]);
    prop_oneof![
        12 => (facts(), dress()).prop_map(|(facts, dress)| Step::Event(facts, dress)),
        2 => (any::<Index>(), space.clone(), select(vec!["", " ", "\r"])).prop_map(|(at, l, r)| Step::Repeat(at, l, r)),
        1 => (any::<Index>(), dress()).prop_map(|(at, dress)| Step::Redress(at, dress)),
        1 => select(NOISE.to_vec()).prop_map(Step::Noise),
    ]
}

const NOISE: [&str; 12] = [
    "",
    "   ",
    "{",
    "not json",
    "42",
    "[]",
    "\"text\"",
    "null",
    r#"{"timestamp":1,"user":{"identities":{"sessionId":"sess-1"}}"#,
    r#"{"timestamp":1,"user":{"identities":{"sessionId":"sess-1"}}} {}"#,
    r#"{"timestamp":1,"user":{"identities":{"sessionId":"sess-1",}}}"#,
    r#"{'timestamp':1}"#,
];

const UUID: &str = "f49c75a2-6994-41e2-875d-97ec4d19254b";
const SHOUTED: &str = "F49C75A2-6994-41E2-875D-97EC4D19254B";

fn facts() -> impl Strategy<Value = Facts> {
    let sessions = vec!["sess-1", "sess-2", "sess-3", "SESS-3", "7", "70", UUID];
    let customers = vec!["cust-1", "cust-2", "cust-3", "7", SHOUTED];
    let emails = vec!["anna@example.org", "zoë@example.org", "\"quoted\"@example.org"];
    let devices = vec!["phone", "tablet", UUID];
    let ids = vec!["e1", "e2", "42", "00000000-0000-4000-8000-000000000001", "back\\slash"];
    let maybe = |often: f64, pool: Vec<&'static str>| prop::option::weighted(often, select(pool));
    (
        0..12u8,
        maybe(0.4, ids),
        maybe(0.85, sessions),
        maybe(0.3, customers),
        maybe(0.25, emails),
        maybe(0.15, devices),
        maybe(0.05, vec!["gold", "silver"]),
        fault(),
    )
        .prop_map(|(moment, id, session, customer, email, device, loyalty, fault)| Facts {
            moment,
            id,
            session,
            customer,
            email,
            device,
            loyalty,
            fault,
        })
}

fn fault() -> impl Strategy<Value = Fault> {
    let junk = [
        "\"null\"",
        "\"GUEST\"",
        "\"0\"",
        "0",
        "-1",
        "\"\\\"NaN\\\"\"",
        "\"'undefined'\"",
        "\"[object Object]\"",
        "\"{}\"",
        "\"00000000-0000-0000-0000-000000000000\"",
        "null",
        "true",
        "[\"sess-1\"]",
        "{\"sessionId\":\"sess-1\"}",
    ];
    prop_oneof![
        40 => Just(Fault::Nothing),
        1 => Just(Fault::NoMoment),
        1 => select(vec!["\"yesterday\"", "true", "\"1.5.\"", "[1]", "{}", "\"2026-13-01T00:00:00Z\""]).prop_map(Fault::BadMoment),
        1 => Just(Fault::Conflict),
        1 => Just(Fault::Echo),
        2 => Just(Fault::Generated),
        4 => (select(vec!["fax", "Visitor"]), select(junk.to_vec())).prop_map(|(name, value)| Fault::Junk(name, value)),
        1 => select(vec!["a:b", "", " "]).prop_map(Fault::Impossible),
        1 => select(vec!["null", "[]", "\"sess-1\"", "7"]).prop_map(Fault::NoObject),
    ]
}

fn dress() -> impl Strategy<Value = Dress> {
    (0..10u8, 0..4usize, 0..4u8, 0..6u8, any::<bool>()).prop_map(|(clock, spelling, value, order, decoys)| Dress {
        clock,
        spelling,
        value,
        order,
        decoys,
    })
}

fn render_all(steps: &[Step]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut told: Vec<&Facts> = Vec::new();
    for step in steps {
        match step {
            Step::Event(facts, dress) => {
                told.push(facts);
                lines.push(render(facts, *dress));
            }
            Step::Repeat(at, left, right) if !lines.is_empty() => {
                lines.push(format!("{left}{}{right}", lines[at.index(lines.len())]));
            }
            Step::Redress(at, dress) if !told.is_empty() => lines.push(render(told[at.index(told.len())], *dress)),
            Step::Noise(line) => lines.push((*line).to_owned()),
            Step::Repeat(..) | Step::Redress(..) => {}
        }
    }
    lines
}

fn render(facts: &Facts, dress: Dress) -> String {
    let identities = match facts.fault {
        Fault::NoObject(raw) => raw.to_owned(),
        _ => identities(facts, dress),
    };
    let mut user = vec![format!("\"identities\":{identities}")];
    if dress.decoys {
        user.insert(0, r#""traits":{"sessionId":"decoy","nested":[{"identities":{"email":"decoy"}}]}"#.to_owned());
        user.push(r#""segments":["new","}{\"","\\"]"#.to_owned());
    }
    let mut members = vec![format!("\"user\":{{{}}}", user.join(","))];
    match facts.fault {
        Fault::NoMoment => {}
        Fault::BadMoment(raw) => members.push(format!("\"timestamp\":{raw}")),
        _ => members.push(moment(facts.moment, dress.clock)),
    }
    if let Some(id) = facts.id {
        members.push(format!("\"id\":{}", value(id, dress.value & 2))); // ids are not trimmed: no spaces around them
    }
    if dress.decoys {
        members.push(r#""target":{"id":"decoy","timestamp":5},"identities":{"ecommerceId":"decoy"}"#.to_owned());
        members.push(r#""Timestamp":9,"metadata":null,"price":-1.5e-3"#.to_owned());
    }
    let turn = usize::from(dress.order) % members.len();
    members.rotate_left(turn);
    if dress.order % 2 == 1 {
        members.reverse();
    }
    let gap = if dress.order == 4 { " " } else { "" };
    format!("{{{gap}{}{gap}}}", members.join(&format!(",{gap}")))
}

fn identities(facts: &Facts, dress: Dress) -> String {
    let name = |spellings: [&str; 4]| spellings[dress.spelling].to_owned();
    let pair = |name: String, text: &str| format!("\"{name}\":{}", value(text, dress.value));
    let mut pairs = Vec::new();
    let spellings = [
        (facts.session, ["sessionId", "SESSIONID", "sessionid", r"sess\u0069onId"]),
        (facts.customer, ["ecommerceId", "eCommerceId", "ecommerceid", "ECOMMERCEID"]),
        (facts.email, ["email", "Email", "EMAIL", r"\u0065mail"]),
        (facts.device, ["deviceId", "deviceid", "DeviceID", "DEVICEID"]),
        (facts.loyalty, ["loyalty", "Loyalty", "loyalTY", "LOYALTY"]),
    ];
    for (text, names) in spellings {
        pairs.extend(text.map(|text| pair(name(names), text)));
    }
    match facts.fault {
        Fault::Conflict => pairs.extend([pair("sEssionId".into(), "one"), pair("sessioNId".into(), "two")]),
        Fault::Echo => {
            pairs.extend(facts.session.map(|text| pair("seSSionId".into(), text)));
            pairs.push("\"sessionID\":null".into());
        }
        // What the web SDK adds by itself, in lower case, beside the shop's own spelling.
        Fault::Generated => pairs.extend(["sessionid", "email"].map(|name| pair(name.into(), "generated"))),
        Fault::Junk(name, raw) => pairs.insert(pairs.len() / 2, format!("\"{name}\":{raw}")),
        Fault::Impossible(name) => pairs.insert(0, format!("\"{name}\":\"sess-1\"")),
        Fault::Nothing | Fault::NoMoment | Fault::BadMoment(_) | Fault::NoObject(_) => {}
    }
    format!("{{{}}}", pairs.join(","))
}

/// A text in one of four dresses: plain, with white space around it, escaped, as a number where it is one.
fn value(text: &str, dress: u8) -> String {
    let plain = serde_json::to_string(text).expect("text");
    match dress {
        1 => format!("\" {}\\t\"", &plain[1..plain.len() - 1]),
        2 => {
            let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{}\"", units.concat())
        }
        3 if text.parse::<u64>().is_ok() => text.to_owned(),
        _ => plain,
    }
}

/// A moment in one of ten dresses that agree, but for the one in microseconds.
fn moment(at: u8, dress: u8) -> String {
    // Two moments a millisecond apart, then a second on; some lie before the epoch, some in our days.
    let near_epoch = at < 6;
    let base = if near_epoch { -2_000 } else { 1_793_527_200_000 };
    let millis = base + i64::from(at % 6 / 2) * 1000 + i64::from(at % 2);
    let time = jiff::Timestamp::from_millisecond(millis).expect("near the epoch, or in our days");
    let offset = |hours| time.display_with_offset(jiff::tz::offset(hours)).to_string();
    // Near the epoch a number counts seconds, whatever it was meant to.
    let seconds = format!("{}{}.{:03}", if millis < 0 { "-" } else { "" }, millis.abs() / 1000, millis.abs() % 1000);
    match dress {
        0 if near_epoch => format!("\"timestamp\":{seconds}"),
        0 => format!("\"timestamp\":{millis}"),
        1 => format!("\"time\":{seconds}"),
        2 => format!("\"timestamp\":\"{}\"", offset(2)),
        3 => format!("\"time\":\"{}\"", offset(-11)),
        4 => format!("\"timestamp\":\"{time:.3}\",\"time\":1"),
        5 => format!("\"timestamp\":null,\"time\":\"{time:.9}\""),
        6 => format!("\"timestamp\":\"{seconds}\""),
        7 if near_epoch => format!("\"time\":\"{millis}e-3\""),
        7 => format!("\"time\":\"{millis}000\""),
        8 if near_epoch => format!("\"timestamp\":{millis}.0E-3"),
        8 => format!("\"timestamp\":{millis}000000"),
        _ => format!("\"timestamp\":\"{:.9}\"", time + jiff::SignedDuration::from_nanos(1999)),
    }
}
