//! Events of Snowplow's trackers as activities.
//!
//! | of the event | of the activity |
//! |---|---|
//! | `eid` | `id` |
//! | `ttm` (the true time), else `dtm` (when it was made) | `timestamp` |
//! | `e` (`pv`, `se`, `ue`, …) | `action` |
//! | `sid`, the session of the domain | `user.identities.sessionId` |
//! | `duid`, the user of the domain, which is a browser | `user.identities.domainUserId`; without `sid` it is the session ID |
//! | `uid` | the unique namespace, `ecommerceId` unless the store has another |
//! | all of it | `snowplow` |
//!
//! `stm`, when it was sent, is another with each try, and plays no part. A tracker names no key: its `appId`, which is the `aid` of each
//! event, is the tracker key.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::model::namespace::SESSION;

/// The namespace of a browser.
const DOMAIN_USER: &str = "domainUserId";

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// What is read of an event: all values are texts.
#[derive(Deserialize)]
struct TrackedEvent<'a> {
    #[serde(borrow)]
    aid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    eid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ttm: Option<Cow<'a, str>>,
    #[serde(borrow)]
    dtm: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    duid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
}

/// The key that the events of a body name: the `aid` of the first.
pub fn key_of(body: &[u8]) -> Option<String> {
    let payload: Payload<'_> = serde_json::from_slice(body).ok()?;
    let first: TrackedEvent<'_> = serde_json::from_str(payload.data.first()?.get()).ok()?;
    first.aid.map(Cow::into_owned)
}

/// The body that says what the query of a `GET` does: the members of one event.
pub fn body_of(members: &BTreeMap<String, String>) -> String {
    json!({ "data": [members] }).to_string()
}

/// The events of a body as activities, each a JSON value; one that is not an event stays what it is. `unique` is the namespace
/// of customers.
///
/// # Errors
/// When it is not JSON, or not what a tracker sends.
pub fn activities(body: &[u8], unique: &str) -> Result<Vec<Box<RawValue>>, String> {
    let payload: Payload<'_> =
        serde_json::from_slice(body).map_err(|error| format!("the body cannot be read: {error}"))?;
    Ok(payload.data.into_iter().map(|event| activity(event, unique)).collect())
}

fn activity(raw: &RawValue, unique: &str) -> Box<RawValue> {
    let Ok(event) = serde_json::from_str::<TrackedEvent<'_>>(raw.get()) else { return raw.to_owned() };
    let mut text = String::with_capacity(raw.get().len() + 256);
    let mut member = |name: &str, value: Value| {
        let _ = write!(text, "\"{name}\":{value},");
    };
    if let Some(time) = event.ttm.or(event.dtm) {
        // Milliseconds, as a number is understood; any other text is refused as a time, with what it says.
        let time = time.trim().parse::<i64>().map_or_else(|_| Value::from(&*time), Value::from);
        member("timestamp", time);
    }
    if let Some(id) = event.eid {
        member("id", Value::from(id));
    }
    if let Some(kind) = event.e {
        member("action", Value::from(kind));
    }
    let (session, browser) = match event.sid {
        Some(session) => (Some(session), event.duid),
        None => (event.duid, None),
    };
    let identities = [(SESSION, session), (DOMAIN_USER, browser), (unique, event.uid)];
    let identities: Vec<String> = identities
        .into_iter()
        .filter_map(|(namespace, id)| Some(format!("{}:{}", Value::from(namespace), Value::from(id?))))
        .collect();
    let whole =
        format!("{{{text}\"user\":{{\"identities\":{{{}}}}},\"snowplow\":{}}}", identities.join(","), raw.get());
    // Made of JSON values it is one.
    RawValue::from_string(whole).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(data: Value) -> Vec<Value> {
        let body = json!({"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": data});
        let all = activities(body.to_string().as_bytes(), "ecommerceId").unwrap();
        all.iter().map(|one| serde_json::from_str(one.get()).unwrap()).collect()
    }

    #[test]
    fn what_is_what_of_an_event() {
        let event = json!({"e": "pv", "aid": "k", "eid": "e-1", "dtm": "1793527200000", "stm": "1793527200500",
            "sid": "s", "duid": "d", "uid": "anna", "url": "https://shop.example/"});
        let identities = json!({"sessionId": "s", "domainUserId": "d", "ecommerceId": "anna"});
        let expected = json!({"timestamp": 1_793_527_200_000_i64, "id": "e-1", "action": "pv",
            "user": {"identities": identities}, "snowplow": event});
        assert_eq!(all(json!([event])), [expected]);
        let other = all(json!([{"duid": "d", "ttm": "5", "dtm": "6"}, 7, {"sid": {}}]));
        assert_eq!((&other[0]["user"]["identities"], &other[0]["timestamp"]), (&json!({"sessionId": "d"}), &json!(5)));
        assert_eq!((&other[1], &other[2]), (&json!(7), &json!({"sid": {}})));
    }

    #[test]
    fn the_key_is_that_of_the_first() {
        let body = json!({"schema": "x", "data": [{"aid": "k"}, {"aid": "l"}]}).to_string();
        assert_eq!(key_of(body.as_bytes()).as_deref(), Some("k"));
        for odd in ["", "[]", "{}", r#"{"data":[]}"#, r#"{"data":[7]}"#, r#"{"data":[{}]}"#] {
            assert_eq!(key_of(odd.as_bytes()), None, "{odd}");
        }
        assert!(activities(b"{}", "u").unwrap_err().contains("cannot be read"));
    }
}
