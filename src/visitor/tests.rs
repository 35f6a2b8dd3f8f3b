//! Each call means what it means in the web SDK, as that was executed.

use serde_json::{Value, json};

use super::*;

/// The session IDs and activity ids that are made in order.
fn id(number: u128) -> String {
    text_of(&uuid_text(number))
}

/// One whose ids are numbered from `first`, at a fixed time.
fn open(store: &VisitorMemory, first: u128) -> Visitor {
    let mut number = first - 1;
    let ids = move || {
        number += 1;
        number
    };
    Visitor::with(store.clone(), ids, || Time::from_micros(1_793_527_200_000_000)).unwrap()
}

fn sent(visitor: &mut Visitor) -> Option<Value> {
    let line = visitor.activity(&VisitorAction::new("view").target("product", "123")).unwrap()?;
    assert!(!line.contains('\n'));
    Some(serde_json::from_str(&line).unwrap())
}

fn user(visitor: &mut Visitor) -> Value {
    sent(visitor).unwrap()["user"].take()
}

fn identities(visitor: &mut Visitor) -> Value {
    user(visitor)["identities"].take()
}

fn stored(store: &VisitorMemory, name: &str) -> Option<String> {
    store.get(name).unwrap()
}

#[test]
fn a_uuid_is_canonical_and_of_version_four() {
    assert_eq!(id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

#[test]
fn a_session_id_is_made_kept_and_attached() {
    let store = VisitorMemory::default();
    let mut visitor = open(&store, 1);
    assert_eq!(visitor.session(), "00000000-0000-4000-8000-000000000001");
    assert_eq!(stored(&store, "attraqtsessionid").as_deref(), Some(visitor.session()));
    assert_eq!(
        sent(&mut visitor).unwrap(),
        json!({
            "id": id(2), "timestamp": "2026-11-01T10:00:00.000Z", "action": "view", "target": {"product": "123"},
            "user": {"identities": {"sessionid": id(1)}, "segments": [], "traits": {}},
        })
    );
    assert_eq!(sent(&mut visitor).unwrap()["id"], id(3));
}

#[test]
fn after_a_restart_only_the_session_id_is_there() {
    let store = VisitorMemory::default();
    let mut visitor = open(&store, 1);
    visitor.add_identity("ecommerceId", "anna").unwrap();
    visitor.add_segment("new");
    visitor.add_trait("age", 45);
    let mut again = open(&store, 9);
    assert_eq!(user(&mut again), json!({"identities": {"sessionid": id(1)}, "segments": [], "traits": {}}));
}

#[test]
fn an_added_namespace_is_lower_case_and_an_added_session_is_kept() {
    let store = VisitorMemory::default();
    let mut visitor = open(&store, 1);
    visitor.add_identity("ecommerceId", "anna").unwrap();
    visitor.add_identity("eCommerceId", "ben").unwrap();
    visitor.add_identity("sessionId", "mine").unwrap();
    assert_eq!(identities(&mut visitor), json!({"ecommerceid": "ben", "sessionid": "mine"}));
    assert_eq!((visitor.session(), stored(&store, "attraqtsessionid").as_deref()), ("mine", Some("mine")));
}

#[test]
fn set_identities_are_as_spelled_replace_all_and_none_is_kept() {
    let store = VisitorMemory::default();
    let mut visitor = open(&store, 1);
    visitor.add_identity("email", "anna@example.org").unwrap();
    visitor.set_identities([("ecommerceId", "anna"), ("sessionId", "mine")]).unwrap();
    assert_eq!(
        identities(&mut visitor),
        json!({"ecommerceId": "anna", "sessionId": "mine", "sessionid": id(1)}),
        "the documented call, as it goes out"
    );
    assert_eq!(stored(&store, "attraqtsessionid"), Some(id(1)));
    visitor.set_identities([("sessionid", "other")]).unwrap();
    assert_eq!(identities(&mut visitor), json!({"sessionid": "other"}));
    assert_eq!(visitor.session(), id(1));
    visitor.add_identity("sessionId", "mine").unwrap();
    assert_eq!(identities(&mut visitor), json!({"sessionid": "mine"}), "the later call");
    let error = visitor.set_identities([("", ""); 0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert_eq!(identities(&mut visitor), json!({"sessionid": "mine"}), "nothing was replaced");
}

#[test]
fn segments_and_traits_are_added_and_replaced() {
    let mut visitor = open(&VisitorMemory::default(), 1);
    visitor.add_segment("new");
    visitor.add_segment("new");
    visitor.add_trait("age", "45");
    visitor.add_trait("age", "46");
    visitor.add_trait("buyer", true);
    let said = user(&mut visitor);
    assert_eq!((&said["segments"], &said["traits"]), (&json!(["new", "new"]), &json!({"age": "46", "buyer": true})));
    visitor.set_segments(["new", "prospect"]);
    visitor.set_traits(Map::from_iter([("age".to_owned(), json!(45))]));
    let said = user(&mut visitor);
    assert_eq!((&said["segments"], &said["traits"]), (&json!(["new", "prospect"]), &json!({"age": 45})));
    visitor.add_segment("loyal");
    assert_eq!(user(&mut visitor)["segments"], json!(["new", "prospect", "loyal"]), "added to what was set");
}

#[test]
fn a_complete_user_replaces_everything() {
    let mut visitor = open(&VisitorMemory::default(), 1);
    visitor.add_identity("email", "m").unwrap();
    visitor.add_trait("age", 45);
    visitor.set_user(VisitorUser::new().identity("ecommerceId", "anna").segment("new")).unwrap();
    let whole = json!({"identities": {"ecommerceId": "anna", "sessionid": id(1)}, "segments": ["new"], "traits": {}});
    assert_eq!(user(&mut visitor), whole);
    assert!(visitor.set_user(VisitorUser::new().segment("loyal")).is_err(), "no identities");
    assert_eq!(user(&mut visitor), whole);
}

#[test]
fn cleared_it_is_somebody_else() {
    let store = VisitorMemory::default();
    let mut visitor = open(&store, 1);
    visitor.add_identity("ecommerceId", "anna").unwrap();
    visitor.add_segment("new");
    visitor.add_trait("age", 45);
    visitor.clear().unwrap();
    assert_eq!(user(&mut visitor), json!({"identities": {"sessionid": id(2)}, "segments": [], "traits": {}}));
    assert_eq!(stored(&store, "attraqtsessionid"), Some(id(2)));
}

#[test]
fn out_nothing_is_sent_or_stored() {
    let store = VisitorMemory::default();
    let mut visitor = open(&store, 1);
    visitor.opt_out().unwrap();
    assert_eq!(
        (stored(&store, "attraqtoptout").as_deref(), stored(&store, "attraqtsessionid")),
        (Some("true"), Some(id(1)))
    );
    assert_eq!(sent(&mut visitor), None);
    let bad = VisitorAction::new("view").metadata("page", Value::Null);
    assert_eq!(visitor.activity(&bad).unwrap_err().kind(), ErrorKind::Argument, "it is checked first");
    visitor.add_identity("sessionId", "mine").unwrap();
    assert_eq!(stored(&store, "attraqtsessionid"), Some(id(1)), "not stored");
    visitor.clear().unwrap();
    assert_eq!(stored(&store, "attraqtsessionid"), None);
    let mut again = open(&store, 9);
    assert!(again.has_opted_out() && sent(&mut again).is_none(), "after a restart too");
    assert_eq!(stored(&store, "attraqtsessionid"), None);
    again.opt_in().unwrap();
    assert_eq!(identities(&mut again), json!({"sessionid": id(9)}));
    assert_eq!((stored(&store, "attraqtoptout"), stored(&store, "attraqtsessionid")), (None, Some(id(9))));
}

#[test]
fn an_action_has_everything_that_an_activity_may_have() {
    let mut visitor = open(&VisitorMemory::default(), 1);
    let text = json!({
        "id": "a \"quoted\" id", "timestamp": "2026-11-02T08:05:00+01:00", "action": "buy", "target": {"product": "1"},
        "user": {"identities": {"ecommerceId": "anna"}}, "opposite": true, "sourceId": "s",
        "metadata": {"cents": 999, "tags": ["a"], "gift": false, "note": "ü\n"}, "segments": ["web"],
    });
    let action: VisitorAction = serde_json::from_value(text.clone()).unwrap();
    let line = visitor.activity(&action).unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), text, "a user of its own goes out as it is");
    let built = VisitorAction::new("buy").target("product", "1").opposite(true).source_id("s").segment("web");
    let built = built.id("a \"quoted\" id").at(Time::parse("2026-11-02T07:05:00Z").unwrap());
    let built = built.user(VisitorUser::new().identity("ecommerceId", "anna")).metadata("cents", 999);
    let built = built.metadata("tags", vec!["a"]).metadata("gift", false).metadata("note", "ü\n");
    let mut built: Value = serde_json::from_str(&visitor.activity(&built).unwrap().unwrap()).unwrap();
    built["timestamp"] = text["timestamp"].clone();
    assert_eq!(built, text);
    assert!(serde_json::from_value::<VisitorAction>(json!({"action": "view"})).is_err(), "a target is required");
    assert!(serde_json::from_value::<VisitorAction>(json!({"action": "v", "target": {}, "x": 1})).is_err());
    for bad in [
        VisitorAction::new("v").metadata("m", json!({})),
        VisitorAction { timestamp: Some("no".into()), ..VisitorAction::new("v") },
    ] {
        assert_eq!(visitor.activity(&bad).unwrap_err().kind(), ErrorKind::Argument);
    }
}

#[test]
fn a_file_keeps_a_visitor_and_says_when_it_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/visitor.json");
    let session = Visitor::open(VisitorFile::new(&path)).unwrap().session().to_owned();
    assert_eq!(uuid::Uuid::parse_str(&session).unwrap().get_version_num(), 4);
    let mut again = Visitor::open(VisitorFile::new(&path)).unwrap();
    assert_eq!(again.session(), session);
    again.opt_out().unwrap();
    assert!(Visitor::open(VisitorFile::new(&path)).unwrap().has_opted_out());
    again.opt_in().unwrap();
    again.clear().unwrap();
    let other = Visitor::open(VisitorFile::new(&path)).unwrap();
    assert!(!other.has_opted_out() && other.session() == again.session() && other.session() != session);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    std::fs::write(&path, "{").unwrap();
    let error = Visitor::open(VisitorFile::new(&path)).unwrap_err();
    let said = format!("{error:?}");
    assert!(said.contains("visitor.json") && said.contains("move it away"), "{said}");
}
