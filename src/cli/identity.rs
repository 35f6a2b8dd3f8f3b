//! Which identity is meant by what was typed.

use backstitch::{ECOMMERCE, Identity, Namespaces, View};
use clap::Args;

use crate::cli::failure::tell;
use crate::cli::text::visible;

/// How an ID is read.
#[derive(Debug, Args)]
pub struct Naming {
    /// The namespace of the ID, which is then taken as it stands, colons included
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
}

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

/// What is said of an identity that the store does not know, and of those that have the same value: the namespace may have been
/// left out.
pub fn unknown(namespaces: &Namespaces, same_value: &[Identity]) -> String {
    let mut met: Vec<String> = same_value.iter().map(|identity| shown(namespaces, identity)).collect();
    met.sort();
    match &met[..] {
        [] => UNKNOWN.to_owned(),
        met => format!("{UNKNOWN}, but there is {}", met.join(" and ")),
    }
}

/// The known identities that have the value of an unknown one or, where its namespace is none that the store knows
/// (`customer:anna`), what stands after the first colon; `find` lists those of a value.
pub fn alike(identity: &Identity, find: impl Fn(&str) -> Vec<Identity>) -> Vec<Identity> {
    let found = find(&identity.value);
    match identity.value.split_once(':') {
        Some((_, value)) if found.is_empty() => find(value.trim()),
        _ => found,
    }
}

/// Tells of an identity that no event carries, and of the one that may be meant: a slip of the hand, perhaps.
pub fn note_unknown(view: &View, identity: &Identity) {
    if view.find(&identity.namespace, &identity.value).is_some() {
        return;
    }
    let names = view.namespaces();
    let alike = match view.find_value(&identity.value) {
        found if found.is_empty() => Vec::from_iter(view.nearest(&identity.namespace, &identity.value)),
        found => found,
    };
    tell(&format!("{} is {}", shown(names, identity), unknown(names, &alike)));
}

/// An identity for people: its namespace as first spelled, its value fit for a terminal.
pub fn shown(namespaces: &Namespaces, identity: &Identity) -> String {
    visible(&namespaces.shown(identity).to_string()).into_owned()
}

/// What there is to know of an identity that does not count as itself.
pub fn note_recounted(view: &View, identity: &Identity) {
    let names = view.namespaces();
    match view.counts_as(identity) {
        None => tell(&format!("{} is set aside: it counts as nothing", shown(names, identity))),
        Some(other)
            if (&*other.value, names.get(&other.namespace)) != (&*identity.value, names.get(&identity.namespace)) =>
        {
            tell(&format!("{} counts as {}: it was renamed", shown(names, identity), shown(names, &other)));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use backstitch::{Levels, SESSION};

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

    #[test]
    fn people_are_shown_the_spelling_of_the_log() {
        let mut namespaces = Namespaces::new(Levels::default());
        namespaces.intern("deviceId").unwrap();
        let device = meant(&namespaces, "DEVICEID:d\u{7}", None, SESSION);
        assert_eq!(
            (device.to_string(), shown(&namespaces, &device)),
            ("deviceid:d\u{7}".into(), "deviceId:d\\u{7}".into())
        );
        assert_eq!(unknown(&namespaces, &[]), "unknown: no event carries it");
        assert_eq!(unknown(&namespaces, &[device]), "unknown: no event carries it, but there is deviceId:d\\u{7}");
    }
}
