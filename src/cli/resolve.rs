//! `resolve`: who is this session?

use std::io::BufRead;

use backstitch::engine::Engine;
use backstitch::graph::Graph;
use backstitch::model::history::Sequence;
use backstitch::model::identity::{Identity, Value};
use backstitch::model::namespace::SESSION;
use backstitch::model::person::PersonKind;
use backstitch::model::time::Time;
use backstitch::resolver::{KnownAt, Resolution, View};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::{Common, ResolveArgs};
use crate::cli::failure::Failure;
use crate::cli::identity::{meant, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{Even, table, thousands, visible};

/// Identities of a group that are listed for people; `--json` lists all.
const GROUP_SHOWN: usize = 20;

/// Answers for each ID in turn.
pub fn run(common: &Common, resolve: &ResolveArgs) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let facts = match resolve.known_at {
        None => Facts::Now(resolve.read.view(&engine.resolver())),
        Some(sequence) => Facts::of_then(&engine, sequence, resolve.read.as_of)?,
    };
    let mut out = Output::stdout();
    let mut first = true;
    let mut answer = |id: &str| {
        let identity = meant(facts.graph().namespaces(), id, resolve.naming.namespace.as_deref(), SESSION);
        if common.json {
            return answer_in_json(&facts, identity, &mut out);
        }
        let blank_line = if std::mem::take(&mut first) { "" } else { "\n" };
        let text = match facts.resolve(&identity)? {
            Some(found) => in_words(&found, several(facts.graph(), &found)),
            None => format!("{}\n  {}\n", visible(&identity.to_string()), unknown(facts.graph(), &identity)),
        };
        out.write(format!("{blank_line}{text}").as_bytes())
    };
    for id in &resolve.ids {
        if id != "-" {
            answer(id)?;
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| Failure::Failed(format!("cannot read standard input: {error}")))?;
            if !line.trim().is_empty() {
                answer(&line)?;
            }
        }
    }
    out.finish()
}

/// What is answered from.
enum Facts {
    /// What was published last.
    Now(View),
    /// What was published once.
    Then(KnownAt),
}

impl Facts {
    fn of_then(engine: &Engine, sequence: u64, as_of: Option<Time>) -> Result<Self, Failure> {
        let then = engine.known_at(Sequence(sequence))?;
        Ok(Self::Then(as_of.map(|until| then.as_of(until)).unwrap_or(then)))
    }

    fn graph(&self) -> &Graph {
        match self {
            Self::Now(view) => view.graph(),
            Self::Then(then) => then.graph(),
        }
    }

    fn resolve(&self, identity: &Identity) -> Result<Option<Resolution>, Failure> {
        match self {
            Self::Now(view) => Ok(view.resolve_in(&identity.namespace, &identity.value)?),
            Self::Then(then) => Ok(then.resolve_in(&identity.namespace, &identity.value)),
        }
    }
}

/// The answer for an identity that no event carries: the same names, and no person.
#[derive(Serialize)]
struct Unknown {
    identity: Identity,
    person: Option<String>,
    kind: Option<PersonKind>,
    customer: Option<String>,
    since: Option<String>,
    group: [String; 0],
}

fn answer_in_json(facts: &Facts, identity: Identity, out: &mut Output) -> Result<(), Failure> {
    match facts.resolve(&identity)? {
        Some(resolution) => out.json(&resolution),
        None => out.json(&Unknown { identity, person: None, kind: None, customer: None, since: None, group: [] }),
    }
}

/// Whether it is anonymous because it met more than one customer, not because it met none.
fn several(graph: &Graph, found: &Resolution) -> bool {
    let namespace = graph.namespaces().get(&found.identity.namespace);
    let id = namespace.and_then(|namespace| graph.identities().get(namespace, Value::new(&found.identity.value)));
    found.kind == PersonKind::Anonymous && id.is_some_and(|id| graph.owner(id).is_some())
}

/// The answer for people; `several` tells of a session that it met more than one customer and is therefore anonymous.
fn in_words(found: &Resolution, several: bool) -> String {
    let kind = match found.kind {
        PersonKind::Customer => "customer",
        PersonKind::Anonymous if several => "anonymous: it met more than one customer",
        PersonKind::Anonymous => "anonymous: named by the earliest identity of its group",
    };
    let mut rows = vec![["person".to_owned(), format!("{} ({kind})", visible(&found.person.to_string()))]];
    if let Some(since) = found.since {
        rows.push(["since".to_owned(), since.to_string()]);
    }
    for (at, member) in found.group.iter().take(GROUP_SHOWN).enumerate() {
        let name = if at == 0 { "group" } else { "" };
        rows.push([name.to_owned(), visible(&member.to_string()).into_owned()]);
    }
    if let Some(more) = found.group.len().checked_sub(GROUP_SHOWN).filter(|&more| more > 0) {
        rows.push([String::new(), format!("and {} more: --json lists all", thousands(more as u64))]);
    }
    format!("{}\n{}", visible(&found.identity.to_string()), table([Even::Left, Even::Left], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(namespace: &str, value: &str) -> Identity {
        Identity { namespace: namespace.into(), value: value.into() }
    }

    #[test]
    fn a_customer_in_words() {
        let customer = identity("ecommerceId", "18278");
        let found = Resolution {
            identity: identity(SESSION, "150"),
            person: customer.clone(),
            kind: PersonKind::Customer,
            customer: Some("18278".into()),
            since: Time::parse("2016-05-06T04:45:00.868Z"),
            group: vec![identity(SESSION, "150"), customer],
        };
        let expected = "\
sessionId:150
  person  ecommerceId:18278 (customer)
  since   2016-05-06T04:45:00.868Z
  group   sessionId:150
          ecommerceId:18278
";
        assert_eq!(in_words(&found, false), expected);
    }

    #[test]
    fn a_large_group_is_cut() {
        let group: Vec<Identity> = (0..23).map(|number| identity(SESSION, &number.to_string())).collect();
        let found = Resolution {
            identity: group[0].clone(),
            person: group[0].clone(),
            kind: PersonKind::Anonymous,
            customer: None,
            since: None,
            group,
        };
        let text = in_words(&found, false);
        assert!(text.ends_with("\n          sessionId:19\n          and 3 more: --json lists all\n"), "{text}");
    }
}
