//! Which identity is meant by what was typed.

use backstitch::graph::Graph;
use backstitch::model::identity::{Identity, Value};
use backstitch::model::namespace::{ECOMMERCE, NamespaceId, Namespaces};

use crate::cli::text::visible;

/// What is said of an identity that the store does not know.
const UNKNOWN: &str = "unknown: no event carries it";

/// The identity that `id` means: one of `namespace` where that is given, and then as it stands; else `namespace:value` where
/// the part before the first colon is a namespace the store knows; else one of `otherwise`.
pub fn meant(namespaces: &Namespaces, id: &str, namespace: Option<&str>, otherwise: &str) -> Identity {
    let named = |namespace: &str, value: &str| Identity {
        namespace: namespaces.written(namespace.trim()),
        value: value.trim().to_owned(),
    };
    match (namespace, id.split_once(':')) {
        (Some(namespace), _) => named(namespace, id),
        (None, Some((namespace, value))) if namespaces.get(namespace.trim()).is_some() => named(namespace, value),
        (None, _) => named(otherwise, id),
    }
}

/// The namespace of customers: the unique one or, in a store without, the one that would be it by default.
pub fn unique_name(namespaces: &Namespaces) -> &str {
    namespaces.unique().map_or(ECOMMERCE, |unique| namespaces.display(unique))
}

/// What is said of an identity that the store does not know: whoever left out a namespace is told of those that have the value.
pub fn unknown(graph: &Graph, identity: &Identity) -> String {
    let namespaces = graph.namespaces();
    let all = (0..namespaces.len()).map(|id| NamespaceId(id as u16));
    let known = |id| graph.identities().get(id, Value::new(&identity.value)).is_some_and(|id| graph.is_known(id));
    let met = all.filter(|&id| known(id));
    let mut met: Vec<String> = met.map(|id| format!("{}:{}", namespaces.display(id), identity.value)).collect();
    met.sort();
    match &met[..] {
        [] => UNKNOWN.to_owned(),
        met => format!("{UNKNOWN}, but there is {}", visible(&met.join(" and "))),
    }
}

#[cfg(test)]
mod tests {
    use backstitch::model::namespace::{Levels, SESSION};

    use super::*;

    #[test]
    fn a_colon_names_a_namespace_only_where_the_store_knows_it() {
        let mut namespaces = Namespaces::new(Levels::default());
        namespaces.intern("email").unwrap();
        let text = |id: &str, namespace: Option<&str>| meant(&namespaces, id, namespace, SESSION).to_string();
        assert_eq!(text("150", None), "sessionId:150");
        assert_eq!(text("ECOMMERCEID: 18278 ", None), "ecommerceId:18278");
        assert_eq!(text("Email:a@b.example", None), "email:a@b.example");
        assert_eq!(text("phone:12", None), "sessionId:phone:12");
        assert_eq!(text("email:12", Some("sessionid")), "sessionId:email:12");
        assert_eq!(text("12", Some("Phone")), "phone:12");
    }
}
