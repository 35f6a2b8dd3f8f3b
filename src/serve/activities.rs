//! Bodies to lines of the log: activities are cut out, stamped and checked.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::chunk::Chunk;
use crate::ingest::decode::Decoder;
use crate::ingest::fields::Fields;
use crate::ingest::format::Line;
use crate::ingest::junk::JunkCounts;
use crate::model::barred::IdentityBar;
use crate::model::namespace::{ECOMMERCE, Namespaces};
use crate::model::settings::Settings;
use crate::model::time::Time;
use crate::serve::limits::{MAX_ACTIVITIES, MAX_KEY_NAMESPACES, MAX_STAMPS};
use crate::store::barred::Barred;

/// Whether activities may have identities of a namespace.
pub type Brings<'b> = &'b dyn Fn(&str) -> bool;

/// What became of a body.
#[derive(Debug, Default)]
pub struct Taken {
    /// The lines of those that are activities, each with its line end.
    pub lines: Vec<u8>,
    /// How many they are.
    pub accepted: usize,
    /// Those among them that are not in the lines, since they carry an identity that opted out or was erased.
    pub suppressed: usize,
    /// The others.
    pub rejected: Vec<RejectedItem>,
}

/// A value of a body that is not an activity.
#[derive(Debug, Serialize)]
pub struct RejectedItem {
    /// Which one, from 0.
    pub index: usize,
    /// The word for the reason: that of a rejected line of a log.
    pub reason: &'static str,
    /// What exactly was wrong.
    pub detail: String,
}

/// What cuts, stamps and checks: by the decoder of a replay, so that what is accepted is what a replay accepts.
#[derive(Debug)]
pub struct Screen {
    decoder: Decoder,
    namespaces: Namespaces,
    stamps: Mutex<Stamps>,
    barred: RwLock<Arc<Barred>>,
}

impl Screen {
    /// For a store with these settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            decoder: Decoder::new(&settings.junk, &Fields::default()),
            namespaces: Namespaces::new(settings.levels.clone()),
            stamps: Mutex::default(),
            barred: RwLock::default(),
        }
    }

    /// The namespace of customers.
    pub fn unique(&self) -> &str {
        self.namespaces.levels().unique.as_deref().unwrap_or(ECOMMERCE)
    }

    /// From now on events of these identities are left out.
    pub fn bar(&self, barred: &Arc<Barred>) {
        *self.barred.write() = Arc::clone(barred);
    }

    /// Takes a body that came at `now`: an activity or an array of them. `brings` says whether they may have identities of a namespace, in
    /// lower case, that not every store has.
    ///
    /// # Errors
    /// When it is not JSON, with what is wrong.
    pub fn take(&self, body: &[u8], now: Time, brings: Brings<'_>) -> Result<Taken, String> {
        self.take_values(&items(body)?, now, brings)
    }

    /// Takes values that came at `now`, each of which is to be an activity.
    ///
    /// # Errors
    /// When they are too many.
    pub fn take_values(&self, values: &[&RawValue], now: Time, brings: Brings<'_>) -> Result<Taken, String> {
        if values.len() > MAX_ACTIVITIES {
            return Err(too_many());
        }
        let mut taken = Taken::default();
        let mut indices = Vec::new();
        let bytes: usize = values.iter().map(|value| value.get().len()).sum();
        let mut stamped = Vec::with_capacity(bytes + bytes / 4);
        for (index, item) in values.iter().enumerate() {
            match Outermost::of(item) {
                Some(head) => {
                    self.stamp(item.get(), &head, now, &mut stamped);
                    indices.push(index);
                }
                None => {
                    let detail = "an activity is a JSON object".to_owned();
                    taken.rejected.push(RejectedItem { index, reason: "malformed", detail });
                }
            }
        }
        let mut accepted = Vec::new();
        let mut indices = indices.into_iter();
        let mut each = |line: Line<'_, '_>| {
            let index = indices.next().unwrap_or_default();
            match line.outcome {
                Ok(_) => {
                    taken.lines.extend_from_slice(line.text);
                    taken.lines.push(b'\n');
                    accepted.push(index);
                }
                Err(reject) => {
                    let (reason, detail) = (reject.reason.word(), reject.detail);
                    taken.rejected.push(RejectedItem { index, reason, detail });
                }
            }
        };
        let mut namespaces = self.namespaces.clone();
        self.decoder.chunk(&Chunk::whole(stamped), &mut namespaces, &mut JunkCounts::new(), &mut each);
        taken.accepted = accepted.len();
        self.leave_out(&mut taken, &accepted, &namespaces, brings);
        taken.rejected.sort_by_key(|item| item.index);
        Ok(taken)
    }

    /// Leaves those out whose identities are barred, or of namespaces that may not be brought. Looks at them again only where there is any such.
    fn leave_out(&self, taken: &mut Taken, accepted: &[usize], namespaces: &Namespaces, brings: Brings<'_>) {
        let barred = Arc::clone(&self.barred.read());
        let names = namespaces.names();
        let new = names.get(self.namespaces.len()..).unwrap_or_default();
        let is_level =
            |name: &str| self.namespaces.levels().between.iter().any(|level| level.eq_ignore_ascii_case(name));
        let odd: Vec<&String> = new.iter().filter(|name| !is_level(name) && !brings(name)).collect();
        if barred.is_empty() && odd.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut taken.lines);
        let mut indices = accepted.iter();
        let mut each = |line: Line<'_, '_>| {
            let index = indices.next().copied().unwrap_or_default();
            let Ok(event) = line.outcome else { return };
            let mut bar = IdentityBar::default();
            for &(namespace, value) in &event.identities {
                let Some(name) = names.get(usize::from(namespace.0)) else { continue };
                if odd.contains(&name) {
                    let detail =
                        format!("{name:?} is one namespace too many: a key brings {MAX_KEY_NAMESPACES} at most");
                    taken.rejected.push(RejectedItem { index, reason: "too_many_namespaces", detail });
                    taken.accepted -= 1;
                    return;
                }
                bar = bar.and(barred.bar(name, value));
            }
            if bar.refusal(event.time).is_some() {
                taken.suppressed += 1;
            } else {
                taken.lines.extend_from_slice(line.text);
                taken.lines.push(b'\n');
            }
        };
        self.decoder.chunk(&Chunk::whole(lines), &mut namespaces.clone(), &mut JunkCounts::new(), &mut each);
    }

    /// Appends an activity as one line, with the time and the `id` that it lacks.
    fn stamp(&self, text: &str, head: &Outermost<'_>, now: Time, to: &mut Vec<u8>) {
        let Some(rest) = text.strip_prefix('{') else { return };
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        let mut stamps = Vec::new();
        if !head.has_time {
            let id = head.id.filter(|id| tells_apart(id));
            let time = id.map_or(now, |id| self.stamps.lock().time(id, now));
            stamps.push(format!("\"timestamp\":\"{time}\""));
        }
        if head.id.is_none() {
            stamps.push(format!("\"id\":\"{}\"", random_id()));
        }
        to.push(b'{');
        to.extend_from_slice(stamps.join(",").as_bytes());
        to.extend_from_slice(if stamps.is_empty() { "" } else { comma }.as_bytes());
        // Line ends stand between tokens only, where a blank says the same.
        to.extend(rest.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        to.push(b'\n');
    }

    /// Remembers the time of an event of the log, for a client that sends it again without one.
    pub fn remember(&self, line: &[u8]) {
        let Ok(item) = serde_json::from_slice::<&RawValue>(line) else { return };
        let Some(Outermost { id: Some(id), time: Some(time), .. }) = Outermost::of(item) else { return };
        let time = if tells_apart(id) {
            serde_json::from_str::<String>(time.get()).ok().and_then(|text| Time::parse(&text))
        } else {
            None
        };
        if let Some(time) = time {
            self.stamps.lock().time(id, time);
        }
    }
}

/// Whether an `id` tells events apart: a text or a number does.
fn tells_apart(id: &RawValue) -> bool {
    id.get().len() > "\"\"".len() && id.get().starts_with('"') || id.get().starts_with(|c: char| c.is_ascii_digit())
}

fn too_many() -> String {
    format!("at most {MAX_ACTIVITIES} activities at once")
}

/// The values of a body.
fn items(body: &[u8]) -> Result<Vec<&RawValue>, String> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let items = match is_array {
        true => serde_json::from_slice(body).map(|Items(items)| items),
        false => serde_json::from_slice(body).map(|item| vec![item]),
    };
    items.map_err(|error| format!("the body cannot be read: {error}"))
}

/// The values of an array, not too many of them.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = values.next_element()? {
                    if items.len() == MAX_ACTIVITIES {
                        return Err(A::Error::custom(too_many()));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }
        from.deserialize_seq(Values).map(Self)
    }
}

/// What an activity says of itself at its outermost level.
#[derive(Debug, Default)]
struct Outermost<'a> {
    has_time: bool,
    time: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
}

impl<'a> Outermost<'a> {
    /// `None` of what is not an object.
    fn of(item: &'a RawValue) -> Option<Self> {
        struct OutermostMembers;
        impl<'de> Visitor<'de> for OutermostMembers {
            type Value = Outermost<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut head = Outermost::default();
                while let Some(key) = map.next_key::<String>()? {
                    match &*key {
                        "timestamp" | "time" => {
                            head.has_time = true;
                            head.time = Some(map.next_value()?);
                        }
                        "id" => head.id = Some(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(head)
            }
        }
        serde_json::Deserializer::from_str(item.get()).deserialize_map(OutermostMembers).ok()
    }
}

/// The times that were stamped last, by the `id` of the event.
///
/// An event is its time, its identities and its `id`. A client that retries without a time of its own would make another event
/// of each try, if the collector did not stamp the same time on them.
#[derive(Debug, Default)]
struct Stamps {
    times: HashMap<u128, Time>,
    order: VecDeque<u128>,
}

impl Stamps {
    /// The time of the event of that `id`: `now`, if it is new.
    fn time(&mut self, id: &RawValue, now: Time) -> Time {
        let id = xxh3_128(id.get().as_bytes());
        if let Some(time) = self.times.get(&id) {
            return *time;
        }
        if self.order.len() >= MAX_STAMPS
            && let Some(oldest) = self.order.pop_front()
        {
            self.times.remove(&oldest);
        }
        self.order.push_back(id);
        self.times.insert(id, now);
        now
    }
}

/// A random UUID; where the operating system gives no random bytes, one of the keys that the standard library has drawn.
fn random_id() -> uuid::Uuid {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => uuid::Builder::from_random_bytes(bytes).into_uuid(),
        Err(_) => {
            use std::hash::{BuildHasher, RandomState};
            let halves = [RandomState::new().hash_one(0), RandomState::new().hash_one(1)];
            uuid::Builder::from_u128(u128::from(halves[0]) << 64 | u128::from(halves[1])).into_uuid()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::MAX_LINE_BYTES;

    const NOW: Time = Time::from_micros(1_793_527_200_000_000);

    fn taken(body: &str) -> Taken {
        Screen::new(&Settings::default()).take(body.as_bytes(), NOW, &|_| true).unwrap()
    }

    fn lines(taken: &Taken) -> Vec<serde_json::Value> {
        let text = std::str::from_utf8(&taken.lines).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn what_is_missing_is_stamped_and_the_rest_stays_as_it_came() {
        let bare =
            taken(" {\n \"action\":\"view\", \"user\":{\"identities\":{\"sessionId\":\"s\\n\"}},\"n\":1.10e2}\r\n");
        let text = String::from_utf8(bare.lines.clone()).unwrap();
        assert!(text.starts_with("{\"timestamp\":\"2026-11-01T"), "{text}");
        assert!(text.contains("  \"action\":\"view\"") && text.ends_with("\"n\":1.10e2}\n"), "{text}");
        let id = lines(&bare)[0]["id"].as_str().unwrap().to_owned();
        assert_eq!((id.len(), &id[14..15]), (36, "4"), "a random UUID");
        for whole in [
            r#"{"timestamp":"2026-11-01T10:00:00Z","id":"e1","user":{"identities":{"sessionId":"s"}}}"#,
            r#"{"time":7,"user":{"identities":{"sessionId":"s"}},"id":1}"#,
        ] {
            assert_eq!(String::from_utf8(taken(whole).lines).unwrap(), format!("{whole}\n"));
        }
    }

    #[test]
    fn of_an_array_the_good_ones_are_taken_and_the_others_named_by_their_place() {
        let good = r#"{"user":{"identities":{"sessionId":"s"}}}"#;
        let body = format!(
            r#"[{good},7,{{}},[{good}],{good},{{"timestamp":"now","user":{{"identities":{{"sessionId":"s"}}}}}},null]"#
        );
        let taken = taken(&body);
        assert_eq!((taken.accepted, lines(&taken).len()), (2, 2));
        let rejected: Vec<_> = taken.rejected.iter().map(|item| (item.index, item.reason)).collect();
        let malformed = |index| (index, "malformed");
        assert_eq!(rejected, [malformed(1), (2, "no_identity"), malformed(3), (5, "no_timestamp"), malformed(6)]);
        assert_eq!(taken.rejected[0].detail, "an activity is a JSON object");
    }

    #[test]
    fn of_too_many_none_is_taken_and_one_that_is_too_long_is_named() {
        let many = format!("[{}7]", "7,".repeat(MAX_ACTIVITIES));
        let told = Screen::new(&Settings::default()).take(many.as_bytes(), NOW, &|_| true).unwrap_err();
        assert!(told.contains("at most 10000 activities at once"), "{told}");
        let good = r#"{"user":{"identities":{"sessionId":"s"}}}"#;
        let long = good.replacen('{', &format!("{{\"a\":\"{}\",", "x".repeat(MAX_LINE_BYTES)), 1);
        let taken = taken(&format!("[{good},{long},{good}]"));
        assert_eq!((taken.accepted, taken.rejected[0].index, taken.rejected[0].reason), (2, 1, "too_long"));
    }

    #[test]
    fn of_namespaces_that_may_not_be_brought_none_is_taken() {
        let one = |namespace: &str| format!(r#"{{"user":{{"identities":{{"sessionId":"s","{namespace}":"x"}}}}}}"#);
        let body = format!("[{},{},7,{}]", one("email"), one("Odd"), one("ecommerceId"));
        let taken = Screen::new(&Settings::default()).take(body.as_bytes(), NOW, &|name| name != "odd").unwrap();
        let rejected: Vec<_> = taken.rejected.iter().map(|item| (item.index, item.reason)).collect();
        assert_eq!((taken.accepted, lines(&taken).len()), (2, 2));
        assert_eq!(rejected, [(1, "too_many_namespaces"), (2, "malformed")]);
    }

    #[test]
    fn what_is_not_json_says_where() {
        let screen = Screen::new(&Settings::default());
        for body in ["", "{", "[{},", "nonsense", "{}{}", "\"\u{0}\""] {
            let told = screen.take(body.as_bytes(), NOW, &|_| true).map(|taken| taken.accepted);
            assert!(told.as_ref().is_err_and(|why| why.contains("cannot be read")), "{body}: {told:?}");
        }
        assert!(
            screen.take(b"{\"a\":\"\xFF\"}", NOW, &|_| true).is_err() && screen.take(b"[]", NOW, &|_| true).is_ok()
        );
        let deep = "[".repeat(100_000);
        assert!(screen.take(deep.as_bytes(), NOW, &|_| true).is_err());
    }

    #[test]
    fn a_retry_without_a_time_gets_the_time_of_the_first_try() {
        let screen = Screen::new(&Settings::default());
        let body = br#"{"id":"e1","user":{"identities":{"sessionId":"s"}}}"#;
        let first = screen.take(body, NOW, &|_| true).unwrap().lines;
        let later = Time::from_micros(NOW.as_micros() + 1);
        assert_eq!(screen.take(body, later, &|_| true).unwrap().lines, first);
        let other = Screen::new(&Settings::default());
        other.remember(&first);
        assert_eq!(other.take(body, later, &|_| true).unwrap().lines, first, "after a restart");
        for number in 0..MAX_STAMPS {
            let id = RawValue::from_string(number.to_string()).unwrap();
            screen.stamps.lock().time(&id, NOW);
        }
        assert_ne!(screen.take(body, later, &|_| true).unwrap().lines, first, "forgotten");
        assert_eq!(screen.stamps.lock().times.len(), MAX_STAMPS);
    }
}
