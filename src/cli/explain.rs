//! `explain`: why does it belong to this person, and why are two one person or not?

use backstitch::rows::{Evidence, Explanation, OwnerRow, PairExplanation, Party};
use backstitch::{Identity, Levels, Namespaces, PersonKind, PersonPage, Picture, SESSION, View};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::{Common, ExplainArgs, Telling};
use crate::cli::failure::Failure;
use crate::cli::identity::{alike, meant, note_recounted, shown, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{count, thousands, visible};

/// Identities that are listed for people, of those that were renamed to one; `--json` lists all.
const RENAMES_SHOWN: usize = 20;

/// Explains one identity, or two.
pub fn run(common: &Common, explain: &ExplainArgs) -> Result<Ended, Failure> {
    let asked = |names: &Namespaces| -> Vec<Identity> {
        let ids = std::iter::once(&explain.id).chain(&explain.other);
        ids.map(|id| meant(names, id, explain.naming.namespace.as_deref(), SESSION)).collect()
    };
    let telling = if common.json { Telling::Json } else { explain.format };
    // A picture, and a page, tell of others, too.
    let is_of_these_alone = matches!(telling, Telling::Text | Telling::Json) && explain.output.is_none();
    let reader = if is_of_these_alone { opening::reader(common)? } else { None };
    if let Some(reader) = reader {
        let asked = asked(reader.namespaces());
        return tell(common.quiet, telling, &reader.view_to_explain(&asked)?, &asked, Output::stdout());
    }
    let engine = opening::open(common)?;
    let view = engine.resolver().view();
    let out = Output::about(common, &engine, explain.output.as_deref())?;
    tell(common.quiet, telling, &view, &asked(view.namespaces()), out)
}

fn tell(quiet: bool, telling: Telling, view: &View, asked: &[Identity], mut out: Output) -> Result<Ended, Failure> {
    if !quiet {
        asked.iter().for_each(|identity| note_recounted(view, identity));
    }
    let answer = match asked {
        [a, b] => Answer::Pair(view.explain_pair(a, b)?),
        _ => Answer::One(view.explain(&asked[0].namespace, &asked[0].value)?),
    };
    match telling {
        Telling::Json => answer.in_json(view, asked, &mut out)?,
        Telling::Text => {
            let text =
                format!("{}{}", answer.title(view.namespaces(), view, asked), answer.in_words(view.namespaces()));
            out.text(&text)?;
        }
        format @ (Telling::Dot | Telling::Svg) => {
            // A picture names namespaces as rows do, not as they were first spelled: it does not depend on the order of the log.
            let title = answer.title(&Namespaces::new(Levels::default()), view, asked);
            let picture = Picture::new(view, asked, title);
            let text = if format == Telling::Dot { picture.dot() } else { picture.svg() };
            out.text(&text)?;
        }
        Telling::Html => out.text(&page(view, asked, &answer)?)?,
    }
    out.finish()
}

/// The page about the person of the only identity.
fn page(view: &View, asked: &[Identity], answer: &Answer) -> Result<String, Failure> {
    let [identity] = asked else {
        return Err(Failure::Usage("`--format html` is a page about the person of one ID: name one".to_owned()));
    };
    let title = answer.title(&Namespaces::new(Levels::default()), view, asked);
    let unknown = || Failure::Failed(visible(title.trim_end()).into_owned());
    Ok(PersonPage::new(view, identity, title.as_str())?.ok_or_else(unknown)?.html())
}

/// What was found; nothing where an identity is unknown.
enum Answer {
    One(Option<Explanation>),
    Pair(Option<PairExplanation>),
}

/// The answer for an identity that no event carries: the same names, and no person.
#[derive(Serialize)]
struct UnknownParty<'a> {
    identity: &'a Identity,
    person: Option<String>,
    kind: Option<PersonKind>,
    since: Option<String>,
    chain: [Evidence; 0],
    decisive: Option<[Evidence; 0]>,
    refused: [Evidence; 0],
    more_refused: usize,
    /// That it is set aside, where it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    set_aside: bool,
}

/// The answer for two of which an identity is unknown.
#[derive(Serialize)]
struct NoPair<'a> {
    a: Stranger<'a>,
    b: Stranger<'a>,
    same: Option<bool>,
    connected: Option<String>,
    chain: [Evidence; 0],
    decisive: Option<[Evidence; 0]>,
    refused: [Evidence; 0],
    more_refused: usize,
    way: [Evidence; 0],
}

/// An identity that is known or not.
#[derive(Serialize)]
#[serde(untagged)]
enum Stranger<'a> {
    Known(Party),
    Unknown { identity: &'a Identity, person: Option<String>, kind: Option<PersonKind>, since: Option<String> },
}

impl<'a> Stranger<'a> {
    fn new(view: &View, identity: &'a Identity) -> Result<Self, Failure> {
        Ok(match view.explain(&identity.namespace, &identity.value)? {
            Some(found) => Self::Known(found.party),
            None => Self::Unknown { identity, person: None, kind: None, since: None },
        })
    }
}

impl Answer {
    fn in_json(&self, view: &View, asked: &[Identity], out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::One(Some(found)) => out.json(found),
            Self::Pair(Some(found)) => out.json(found),
            Self::One(None) => out.json(&UnknownParty {
                identity: &asked[0],
                person: None,
                kind: None,
                since: None,
                chain: [],
                decisive: None,
                refused: [],
                more_refused: 0,
                set_aside: view.counts_as(&asked[0]).is_none(),
            }),
            Self::Pair(None) => out.json(&NoPair {
                a: Stranger::new(view, &asked[0])?,
                b: Stranger::new(view, &asked[1])?,
                same: None,
                connected: None,
                chain: [],
                decisive: None,
                refused: [],
                more_refused: 0,
                way: [],
            }),
        }
    }

    /// The answer in a sentence or two, each a line.
    fn title(&self, names: &Namespaces, view: &View, asked: &[Identity]) -> String {
        let unknown = || {
            let all = asked.iter().filter(|identity| view.find(&identity.namespace, &identity.value).is_none());
            let told = |identity: &Identity| unknown(names, &alike(identity, |value| view.find_value(value)));
            all.map(|identity| format!("{} is {}.\n", shown(names, identity), told(identity))).collect::<String>()
        };
        match self {
            Self::One(Some(found)) => whose(names, &found.party) + &renames(names, &found.party),
            Self::Pair(Some(found)) => one_or_two(names, found),
            Self::One(None) | Self::Pair(None) => unknown(),
        }
    }

    /// Everything after the title.
    fn in_words(&self, names: &Namespaces) -> String {
        let mut text = String::new();
        match self {
            Self::One(Some(found)) => {
                evidence(names, &found.chain, found.decisive.as_deref(), &mut text);
                refusals(names, "Refused links of it", &found.refused, found.more_refused, &mut text);
            }
            Self::Pair(Some(found)) => {
                evidence(names, &found.chain, found.decisive.as_deref(), &mut text);
                refusals(names, "Refused links between them", &found.refused, found.more_refused, &mut text);
                if found.refused.is_empty() {
                    list(names, "The way with the fewest refused links", &found.way, &mut text);
                }
            }
            Self::One(None) | Self::Pair(None) => {}
        }
        text
    }
}

/// What else counts as an identity.
fn renames(names: &Namespaces, party: &Party) -> String {
    let all: Vec<String> = party.renamed.iter().take(RENAMES_SHOWN).map(|old| shown(names, old)).collect();
    let more = party.renamed.len() - all.len();
    let more = if more > 0 { format!(" and {} more", thousands(more as u64)) } else { String::new() };
    match party.renamed.len() {
        0 => String::new(),
        1 => format!("{} counts as it: it was renamed.\n", all.join(", ")),
        _ => format!("{}{more} count as it: they were renamed.\n", all.join(", ")),
    }
}

/// To whom an identity belongs.
fn whose(names: &Namespaces, party: &Party) -> String {
    let Party { kind, since, .. } = party;
    let (identity, person) = (shown(names, &party.identity), shown(names, &party.person));
    match (kind, since) {
        (PersonKind::Customer, Some(since)) => format!("{identity} belongs to {person} since {since}.\n"),
        (PersonKind::Customer, None) => format!("{identity} is a customer.\n"),
        (PersonKind::Anonymous, _) if identity == person => {
            format!("{identity} is anonymous, and the earliest identity of its group.\n")
        }
        (PersonKind::Anonymous, _) => {
            format!("{identity} is anonymous. The earliest identity of its group is {person}.\n")
        }
    }
}

/// Whether two identities are one person.
fn one_or_two(names: &Namespaces, found: &PairExplanation) -> String {
    let (a, b) = (&found.a, &found.b);
    let (first, second) = (shown(names, &a.identity), shown(names, &b.identity));
    let person = match a.kind {
        PersonKind::Customer => format!("one person, {}", shown(names, &a.person)),
        PersonKind::Anonymous => "one person, anonymous".to_owned(),
    };
    match (found.same, found.connected) {
        (true, Some(connected)) => {
            format!("{first} and {second} are {person}, connected since {connected}.\n")
        }
        (true, None) => format!("{first} is the same identity twice.\n{}", whose(names, a)),
        (false, _) => {
            let ties = found.refused.len() + found.more_refused;
            let why = match ties {
                0 if found.way.is_empty() => "No chain of links ties them.".to_owned(),
                0 => {
                    let refused = found.way.iter().filter(|link| link.obstacle.is_some()).count();
                    format!(
                        "No link ties them; a way leads through others, over {} refused links.",
                        thousands(refused as u64)
                    )
                }
                1 => "1 link ties them, and it was refused.".to_owned(),
                ties => format!("{} links tie them, and all were refused.", thousands(ties as u64)),
            };
            let own = |party: &Party| if party.identity == party.person { String::new() } else { whose(names, party) };
            format!("{first} and {second} are not one person.\n{why}\n{}{}", own(a), own(b))
        }
    }
}

/// The chain of evidence, and the decisive one where it differs.
fn evidence(names: &Namespaces, chain: &[Evidence], decisive: Option<&[Evidence]>, text: &mut String) {
    list(names, "The chain of evidence", chain, text);
    if let Some(decisive) = decisive {
        list(names, "The chain that connected them first", decisive, text);
    }
}

fn refusals(names: &Namespaces, heading: &str, refused: &[Evidence], more: usize, text: &mut String) {
    list(names, heading, refused, text);
    if more > 0 {
        text.push_str(&format!("  and {} more\n", thousands(more as u64)));
    }
}

/// Links under a heading; nothing where there are none.
fn list(names: &Namespaces, heading: &str, links: &[Evidence], text: &mut String) {
    if links.is_empty() {
        return;
    }
    text.push_str(&format!("\n{heading}\n"));
    for link in links {
        let Evidence { first, last, witness, obstacle, .. } = link;
        let (lower, higher) = (shown(names, &link.lower), shown(names, &link.higher));
        let span = if first == last { format!("at {first}") } else { format!("from {first} to {last}") };
        let event = match &witness.id {
            Some(id) => format!("event {}", visible(id)),
            None => format!("the event with the hash {}", witness.hash),
        };
        text.push_str(&format!("  {lower} and {higher}\n    seen in {} {span}\n", count(link.count, "event")));
        text.push_str(&format!("    first in {event} of {}\n", visible(&witness.sources.join(", "))));
        if let Some(obstacle) = obstacle {
            text.push_str("    refused, because a person has one customer at most\n");
            for (end, owner) in [(&lower, &obstacle.lower), (&higher, &obstacle.higher)] {
                text.push_str(&format!("    {}\n", owned(names, end, owner)));
            }
        }
    }
}

/// What stood in the way at one end of a refused link.
fn owned(names: &Namespaces, end: &str, owner: &OwnerRow) -> String {
    match owner.since {
        Some(since) => format!("{end} was {}'s since {since}", shown(names, &owner.customer)),
        None => format!("{end} is a customer"),
    }
}
