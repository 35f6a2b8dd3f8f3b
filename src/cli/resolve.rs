//! `resolve`: who is this session?

use std::io::BufRead;

use backstitch::{Engine, Identity, KnownAt, Namespaces, PersonKind, Reading, Resolution, SESSION};
use backstitch::{StoreReader, Time, View, When};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::{Common, ResolveArgs};
use crate::cli::failure::Failure;
use crate::cli::identity::{alike, meant, note_recounted, shown, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{Even, table, thousands};

/// Identities of a group that are listed for people; `--json` lists all.
const GROUP_SHOWN: usize = 20;

/// Answers for each ID in turn.
pub fn run(common: &Common, resolve: &ResolveArgs) -> Result<Ended, Failure> {
    let source = Answers::open(common, resolve)?;
    let mut out = Output::stdout();
    let mut first = true;
    let mut answer = |id: &str| {
        let identity = meant(source.namespaces(), id, resolve.naming.namespace.as_deref(), SESSION);
        let mut room = None;
        let facts = source.about(&identity, &mut room)?;
        if let (false, Answerer::Now(view)) = (common.quiet, facts) {
            note_recounted(view, &identity);
        }
        if common.json {
            return answer_in_json(facts, identity, &mut out);
        }
        let names = facts.namespaces();
        let blank_line = if std::mem::take(&mut first) { "" } else { "\n" };
        let text = match facts.resolve(&identity)? {
            Some(found) => in_words(names, &found, facts.is_shared(&found.identity)),
            None => format!(
                "{}\n  {}\n",
                shown(names, &identity),
                unknown(names, &alike(&identity, |value| facts.find_value(value)))
            ),
        };
        out.text(&format!("{blank_line}{text}"))
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

/// Identities that are answered one by one from the disk; for more everything is loaded.
const FEW: usize = 4;

/// Where answers come from.
enum Answers {
    /// The disk, for each identity anew.
    Disk(StoreReader, Reading),
    /// Everything, which is loaded.
    Memory(Answerer),
}

impl Answers {
    fn open(common: &Common, resolve: &ResolveArgs) -> Result<Self, Failure> {
        let are_few = resolve.ids.len() <= FEW && resolve.ids.iter().all(|id| id != "-");
        if resolve.known_at.is_none()
            && are_few
            && let Some(reader) = opening::reader(common)?
        {
            return Ok(Self::Disk(reader, resolve.read.reading()));
        }
        let engine = opening::open(common)?;
        Ok(Self::Memory(match resolve.known_at {
            None => Answerer::Now(resolve.read.view(&engine.resolver())),
            Some(when) => Answerer::of_then(&engine, when, resolve.read.as_of)?,
        }))
    }

    fn namespaces(&self) -> &Namespaces {
        match self {
            Self::Disk(reader, _) => reader.namespaces(),
            Self::Memory(facts) => facts.namespaces(),
        }
    }

    /// What an identity is answered from; `room` is for what is read about it.
    fn about<'a>(&'a self, identity: &Identity, room: &'a mut Option<Answerer>) -> Result<&'a Answerer, Failure> {
        Ok(match self {
            Self::Disk(reader, reading) => room.insert(Answerer::Now(reader.view_to_resolve(identity, *reading)?)),
            Self::Memory(facts) => facts,
        })
    }
}

/// What is answered from.
enum Answerer {
    /// What was published last.
    Now(View),
    /// What was published right after an earlier commit.
    Then(KnownAt),
}

impl Answerer {
    fn of_then(engine: &Engine, when: When, as_of: Option<Time>) -> Result<Self, Failure> {
        let then = engine.known_at(when)?;
        Ok(Self::Then(as_of.map(|until| then.as_of(until)).unwrap_or(then)))
    }

    fn namespaces(&self) -> &Namespaces {
        match self {
            Self::Now(view) => view.namespaces(),
            Self::Then(then) => then.namespaces(),
        }
    }

    fn find_value(&self, value: &str) -> Vec<Identity> {
        match self {
            Self::Now(view) => view.find_value(value),
            Self::Then(then) => then.find_value(value),
        }
    }

    /// Whether it met more than one customer, so that a policy may leave it anonymous.
    fn is_shared(&self, identity: &Identity) -> bool {
        match self {
            Self::Now(view) => view.is_shared_in(&identity.namespace, &identity.value),
            // Its policy is the default one, which leaves no such identity anonymous.
            Self::Then(_) => false,
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
struct UnknownIdentity {
    identity: Identity,
    person: Option<String>,
    kind: Option<PersonKind>,
    customer: Option<String>,
    since: Option<String>,
    group: [String; 0],
}

fn answer_in_json(facts: &Answerer, identity: Identity, out: &mut Output) -> Result<(), Failure> {
    match facts.resolve(&identity)? {
        Some(resolution) => out.json(&resolution),
        None => {
            out.json(&UnknownIdentity { identity, person: None, kind: None, customer: None, since: None, group: [] })
        }
    }
}

/// The answer for people; `shared` tells that the identity met more than one customer.
fn in_words(names: &Namespaces, found: &Resolution, shared: bool) -> String {
    let kind = match found.kind {
        PersonKind::Customer => "customer",
        PersonKind::Anonymous if shared => "anonymous: it met more than one customer",
        PersonKind::Anonymous => "anonymous: named by the earliest identity of its group",
    };
    let mut rows = vec![["person".to_owned(), format!("{} ({kind})", shown(names, &found.person))]];
    if let Some(since) = found.since {
        rows.push(["since".to_owned(), since.to_string()]);
    }
    for (at, member) in found.group.iter().take(GROUP_SHOWN).enumerate() {
        let name = if at == 0 { "group" } else { "" };
        rows.push([name.to_owned(), shown(names, member)]);
    }
    if let Some(more) = found.group.len().checked_sub(GROUP_SHOWN).filter(|&more| more > 0) {
        rows.push([String::new(), format!("and {} more: --json lists all", thousands(more as u64))]);
    }
    format!("{}\n{}", shown(names, &found.identity), table([Even::Left, Even::Left], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{line, replayed};

    fn told(log: &str, session: &str) -> String {
        let (view, _) = replayed(log);
        in_words(view.namespaces(), &view.resolve(session).unwrap().unwrap(), view.is_shared(session))
    }

    #[test]
    fn a_customer_in_words() {
        let expected = "\
sessionId:150
  person  ecommerceId:18278 (customer)
  since   1970-01-01T00:00:07.000Z
  group   sessionId:150
          deviceId:d
          ecommerceId:18278
";
        assert_eq!(told(&line(7, "deviceId:d ecommerceId:18278 sessionId:150"), "150"), expected);
    }

    #[test]
    fn a_large_group_is_cut() {
        let log: String = (0..22).map(|at| line(at, &format!("sessionId:s{at:02} email:e"))).collect();
        let expected = "\
sessionId:s07
  person  sessionId:s00 (anonymous: named by the earliest identity of its group)
  group   sessionId:s00
          sessionId:s01
";
        let text = told(&log, "s07");
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("\n          sessionId:s19\n          and 3 more: --json lists all\n"), "{text}");
    }
}
