//! The description of the routes, held against the routes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::{KEY, Serving};

const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");
const ROUTES: &str = include_str!("../../../src/serve/http/routes.rs");

/// `GET /healthz` and so on, as the description has them.
fn described() -> BTreeSet<(String, String)> {
    let description: Value = serde_json::from_str(DESCRIPTION).expect("JSON");
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().expect("paths");
    let methods = |(path, methods): (&String, &Value)| {
        let methods: Vec<String> = methods.as_object().expect("methods").keys().cloned().collect();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

/// The same, as the router has them.
fn routed() -> BTreeSet<(String, String)> {
    let route = |rest: &str| {
        let (path, rest) = rest.split_once('"').expect("a path");
        let handlers = rest.split(".route").next().expect("a handler").to_owned();
        let is_there = |method: &&str| handlers.contains(&format!("{method}("));
        let methods = ["get", "post", "options"].into_iter().filter(is_there);
        methods.map(|method| (method.to_owned(), path.to_owned())).collect::<Vec<_>>()
    };
    ROUTES.split(".route(\"").skip(1).flat_map(route).collect()
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let described = described();
    assert_eq!(described, routed());
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    for (method, path) in described {
        let concrete = path.replace("{key}", KEY).replace("{namespace}", "sessionId").replace("{value}", "s");
        let concrete = concrete.replace("{call}", "track");
        let reply =
            serving.ask(&format!("{} {concrete}", method.to_uppercase()), "Content-Type: application/json\r\n", b"{}");
        assert!(reply.status != 405 && !reply.body.contains("there is nothing here"), "{method} {path}: {reply:?}");
    }
}
