//! Segment's messages as activities.
//!
//! | of the message | of the activity |
//! |---|---|
//! | `messageId` | `id` |
//! | `timestamp`, else `originalTimestamp` | `timestamp` |
//! | `event` of a `track`, else the type | `action` |
//! | `anonymousId` (of an `alias`: `previousId`) | `user.identities.sessionId` |
//! | `userId` | the unique namespace, `ecommerceId` unless the store has another |
//! | `traits` of an `identify`, else `context.traits` | `user.traits` |
//! | all of it | `segment` |
//!
//! The time is the client's: one that is corrected by `sentAt` would be another with each try, and a retry another event. A group is not an
//! identity: it would make one person of all its members.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::namespace::SESSION;

/// What a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentCall {
    /// One message of this type.
    One(&'static str),
    /// Messages, each with its type.
    Batch,
}

impl SegmentCall {
    /// The call of that name, as Segment's servers have it, or of that letter, as analytics.js does.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "track" | "t" => Self::One("track"),
            "identify" | "i" => Self::One("identify"),
            "page" | "p" => Self::One("page"),
            "screen" | "s" => Self::One("screen"),
            "group" | "g" => Self::One("group"),
            "alias" | "a" => Self::One("alias"),
            "batch" | "b" => Self::Batch,
            _ => return None,
        })
    }
}

/// The key in a body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keyed<'a> {
    #[serde(borrow)]
    write_key: Option<Cow<'a, str>>,
}

/// The key that a body names: `writeKey`.
pub fn key_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Keyed<'_>>(body).ok()?.write_key.map(Cow::into_owned)
}

#[derive(Deserialize)]
struct BatchBody<'a> {
    #[serde(borrow)]
    batch: Vec<&'a RawValue>,
}

/// What is read of a message: as it is written, whatever it is. A `null` is as good as none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    message_id: Option<&'a RawValue>,
    #[serde(borrow)]
    anonymous_id: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_id: Option<&'a RawValue>,
    #[serde(borrow)]
    traits: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    original_timestamp: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageContext<'a> {
    #[serde(borrow)]
    traits: Option<&'a RawValue>,
}

/// The messages of a body as activities, each a JSON value; one that is not an object stays what it is. `unique` is the namespace
/// of customers.
///
/// # Errors
/// When it is not JSON, or not what the call says.
pub fn activities(call: SegmentCall, body: &[u8], unique: &str) -> Result<Vec<Box<RawValue>>, String> {
    let read = |error| format!("the body cannot be read: {error}");
    let (kind, messages) = match call {
        SegmentCall::One(kind) => (Some(kind), vec![serde_json::from_slice(body).map_err(read)?]),
        SegmentCall::Batch => (None, serde_json::from_slice::<BatchBody<'_>>(body).map_err(read)?.batch),
    };
    Ok(messages.into_iter().map(|message| activity(kind, message, unique)).collect())
}

fn activity(kind: Option<&str>, raw: &RawValue, unique: &str) -> Box<RawValue> {
    let Ok(message) = serde_json::from_str::<Message<'_>>(raw.get()) else { return raw.to_owned() };
    let said: Option<Cow<'_, str>> = message.kind.and_then(|kind| serde_json::from_str(kind.get()).ok());
    let kind = kind.or(said.as_deref()).unwrap_or("track");
    let mut text = String::with_capacity(raw.get().len() + 256);
    let mut member = |name: &str, value: Option<&RawValue>| {
        if let Some(value) = value {
            let _ = write!(text, "\"{name}\":{},", value.get());
        }
    };
    member("timestamp", message.timestamp.or(message.original_timestamp));
    member("id", message.message_id);
    let named = if kind == "track" { message.event } else { None };
    let kind_as_json = RawValue::from_string(serde_json::Value::from(kind).to_string()).ok();
    member("action", named.or(kind_as_json.as_deref()));
    let before = if kind == "alias" { message.previous_id } else { None };
    let session = before.or(message.anonymous_id).map(|id| (SESSION, id));
    let customer = message.user_id.map(|id| (unique, id));
    let identities: Vec<String> = session
        .into_iter()
        .chain(customer)
        .map(|(namespace, id)| format!("{}:{}", serde_json::Value::from(namespace), id.get()))
        .collect();
    let traits = match kind {
        "identify" => message.traits,
        _ => None,
    };
    let context = message.context.and_then(|context| serde_json::from_str::<MessageContext<'_>>(context.get()).ok());
    let traits = traits.or(context.and_then(|context| context.traits));
    let traits = traits.map_or(String::new(), |traits| format!(",\"traits\":{}", traits.get()));
    let user = format!("\"user\":{{\"identities\":{{{}}}{traits}}}", identities.join(","));
    let whole = format!("{{{text}{user},\"segment\":{}}}", raw.get());
    // Made of JSON values it is one.
    RawValue::from_string(whole).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn one(call: &str, message: &Value) -> Value {
        let call = SegmentCall::named(call).unwrap();
        let all = activities(call, message.to_string().as_bytes(), "ecommerceId").unwrap();
        serde_json::from_str(all[0].get()).unwrap()
    }

    #[test]
    fn what_is_what_of_a_message() {
        let message = json!({
            "event": "Order \"Completed\"", "messageId": "m-1", "anonymousId": "a", "userId": 17,
            "timestamp": "2026-11-01T10:00:00.000Z", "sentAt": "2026-11-01T10:00:05.000Z",
            "properties": {"total": 9}, "context": {"traits": {"plan": "pro"}}, "traits": {"of": "a group"},
        });
        assert_eq!(
            one("t", &message),
            json!({
                "timestamp": "2026-11-01T10:00:00.000Z", "id": "m-1", "action": "Order \"Completed\"",
                "user": {"identities": {"sessionId": "a", "ecommerceId": 17}, "traits": {"plan": "pro"}},
                "segment": message,
            })
        );
        let identify = one("identify", &json!({"userId": "u", "traits": {"age": 45}, "originalTimestamp": 7}));
        assert_eq!((&identify["user"]["traits"], &identify["timestamp"]), (&json!({"age": 45}), &json!(7)));
        assert_eq!(
            (&identify["action"], &identify["user"]["identities"]),
            (&json!("identify"), &json!({"ecommerceId": "u"}))
        );
        let group = one("group", &json!({"anonymousId": "a", "groupId": "g", "traits": {"size": 3}}));
        assert_eq!(group["user"], json!({"identities": {"sessionId": "a"}}), "a group is not a person");
        let alias = one("alias", &json!({"previousId": "a", "userId": "u", "anonymousId": "other"}));
        assert_eq!(alias["user"]["identities"], json!({"sessionId": "a", "ecommerceId": "u"}));
        assert_eq!(
            one("page", &json!({"anonymousId": "a", "userId": null}))["user"]["identities"],
            json!({"sessionId": "a"})
        );
    }

    #[test]
    fn a_batch_and_what_is_none() {
        let body =
            json!({"writeKey": "k", "batch": [{"type": "page", "userId": "u"}, 7, {"type": ["x"], "userId": "u"}]});
        let all = activities(SegmentCall::Batch, body.to_string().as_bytes(), "userId").unwrap();
        assert!(all[0].get().starts_with(r#"{"action":"page","user":{"identities":{"userId":"u"}},"segment":"#));
        assert_eq!((all[1].get(), all.len()), ("7", 3));
        assert!(all[2].get().starts_with(r#"{"action":"track""#));
        assert_eq!(key_of(body.to_string().as_bytes()).as_deref(), Some("k"));
        for odd in ["", "{", "[]", "{}", r#"{"batch":7}"#] {
            assert!(
                activities(SegmentCall::Batch, odd.as_bytes(), "u").unwrap_err().contains("cannot be read"),
                "{odd}"
            );
            assert_eq!(key_of(odd.as_bytes()), None);
        }
        assert_eq!(SegmentCall::named("resolve"), None);
    }
}
