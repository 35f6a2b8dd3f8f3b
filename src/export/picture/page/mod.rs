//! A page about one person, complete in itself: a browser shows it without a server, and no script is in it.
//!
//! Each event is drawn once for every way in which the policies read it; which is seen, the style decides by the policy that is chosen.

mod timeline;

use crate::export::picture::Picture;
use crate::export::picture::label::{moment, xml};
use crate::export::picture::page::timeline::Timeline;
use crate::export::picture::pen::put;
use crate::model::error::Result;
use crate::model::identity::Identity;
use crate::model::limits::MAX_EVENTS_DRAWN;
use crate::model::person::PersonKind;
use crate::model::policy::Policy;
use crate::model::profile::ProfileRules;
use crate::model::time::Time;
use crate::resolver::{EventRow, Evidence, Explanation, MemberRow, Profile, ProfileValue, Resolution, View};

const STYLE: &str = include_str!("style.css");

const _: () = assert!(Policy::ALL.len() == 4, "the style knows four");

/// Its hash, as a content security policy names it.
const STYLE_HASH: &str = "sha256-SVgSYJIgQKYfthilB+KKSux/TY7JmoIhN6F1AQG4xdU=";

/// What a page about one person says: whose the identity is, the identities and the profile of the person, a timeline with a switch of
/// policy, the graph, and the evidence.
#[derive(Debug, Clone)]
pub struct PersonPage {
    title: String,
    whose: Vec<(Policy, Resolution)>,
    members: Vec<MemberRow>,
    profile: Profile,
    timeline: Timeline,
    explanation: Explanation,
    picture: String,
}

impl PersonPage {
    /// The page about the person that `identity` belongs to, under a title, by the facts of `view`: its moment counts, its policy is
    /// the first one shown. `None` when no event carries the identity.
    ///
    /// Costs four reads of each block that holds an event of the person's sessions, and the memory of
    /// [`MAX_EVENTS_DRAWN`](crate::limits::MAX_EVENTS_DRAWN) rows for each policy.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn new(view: &View, identity: &Identity, title: impl Into<String>) -> Result<Option<Self>> {
        let Identity { namespace, value } = identity;
        let Some(explanation) = view.explain(namespace, value)? else { return Ok(None) };
        let mut whose = Vec::new();
        let mut readings: Vec<Vec<EventRow>> = Vec::new();
        let mut total = 0;
        for policy in Policy::ALL {
            let view = view.policy(policy);
            let Some((found, events)) = view.resolve_in(namespace, value)?.zip(view.timeline(namespace, value)?) else {
                return Ok(None);
            };
            total = events.len();
            readings.push(events.take(MAX_EVENTS_DRAWN).collect());
            whose.push((policy, found));
        }
        let profile = view.profile(namespace, value, &ProfileRules::default())?;
        let found = view.members(namespace, value)?.zip(profile);
        let Some((members, profile)) = found else { return Ok(None) };
        let timeline = Timeline::new(&explanation.party.person, readings, total);
        let title = title.into();
        let picture = Picture::new(view, std::slice::from_ref(identity), title.as_str()).svg();
        Ok(Some(Self { title, whose, members, profile, timeline, explanation, picture }))
    }

    /// The whole document. The same page gives the same bytes.
    pub fn html(&self) -> String {
        let policy = format!("default-src 'none'; style-src '{STYLE_HASH}' '{}'", Picture::STYLE_HASH);
        let title = xml(self.title.lines().next().unwrap_or_default());
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        );
        self.write_timeline(&mut out);
        self.write_members(&mut out);
        self.write_profile(&mut out);
        put(
            &mut out,
            format_args!("<section><h2>Graph</h2><div class=\"scroll graph\">\n{}</div></section>\n", self.picture),
        );
        self.write_evidence(&mut out);
        put(
            &mut out,
            format_args!(
                "<footer>Written by backstitch {}. Times are UTC.</footer>\n</main>\n</body>\n</html>\n",
                env!("CARGO_PKG_VERSION")
            ),
        );
        out
    }

    fn write_timeline(&self, out: &mut String) {
        out.push_str("<section><h2>Timeline</h2>\n<fieldset><legend>Policy</legend>\n");
        for (at, (policy, _)) in self.whose.iter().enumerate() {
            let checked = if at == 0 { " checked" } else { "" };
            put(
                out,
                format_args!(
                    "<label><input type=\"radio\" name=\"policy\" id=\"p{at}\"{checked}> {}</label>\n",
                    policy.word()
                ),
            );
        }
        out.push_str("</fieldset>\n");
        for (at, (_, found)) in self.whose.iter().enumerate() {
            put(out, format_args!("<p class=\"p{at}\">{} {}.</p>\n", code(&found.identity), whose(found)));
        }
        self.timeline.write(out);
        out.push_str("</section>\n");
    }

    fn write_members(&self, out: &mut String) {
        let heads = ["identity", "first", "last", "events"];
        let row = |member: &MemberRow| {
            let others = if member.own { "" } else { " <span class=\"quiet\">(somebody else’s)</span>" };
            vec![
                format!("{}{others}", code(&member.identity)),
                time(member.first),
                time(member.last),
                member.events.to_string(),
            ]
        };
        table(out, "Identities", &heads, self.members.iter().rev().map(row));
    }

    fn write_profile(&self, out: &mut String) {
        let segments = self.profile.segments.iter().map(|value| ("segments", value));
        let traits = self.profile.traits.iter().map(|(name, value)| (name.as_str(), value));
        let row = |(name, found): (&str, &ProfileValue)| {
            let value = format!("<code>{}</code>", xml(&found.value));
            vec![xml(name), value, time(Some(found.at)), code(&found.from)]
        };
        let rows: Vec<Vec<String>> = segments.chain(traits).map(row).collect();
        if !rows.is_empty() {
            table(out, "Profile", &["what", "value", "told", "from"], rows.into_iter());
        }
    }

    fn write_evidence(&self, out: &mut String) {
        let Explanation { chain, decisive, refused, more_refused, .. } = &self.explanation;
        let lists = [
            ("The chain of evidence", chain.as_slice()),
            ("The chain that connected them first", decisive.as_deref().unwrap_or_default()),
            ("Refused links of it", refused.as_slice()),
        ];
        for (heading, links) in lists.into_iter().filter(|(_, links)| !links.is_empty()) {
            let row = |link: &Evidence| {
                let event = link.witness.id.as_ref().unwrap_or(&link.witness.hash);
                let sources = xml(&link.witness.sources.join(", "));
                vec![
                    format!("{} and {}", code(&link.lower), code(&link.higher)),
                    time(Some(link.first)),
                    time(Some(link.last)),
                    link.count.to_string(),
                    format!("<code>{}</code> of {sources}", xml(event)),
                ]
            };
            table(out, heading, &["link", "first", "last", "events", "first in"], links.iter().map(row));
        }
        if *more_refused > 0 {
            put(out, format_args!("<p class=\"quiet\">{more_refused} more refused links are left out.</p>\n"));
        }
    }
}

/// Whose an identity is, as the rest of a sentence.
fn whose(found: &Resolution) -> String {
    match (found.kind, found.since) {
        (PersonKind::Customer, Some(since)) => {
            format!("belongs to {} since {}", code(&found.person), time(Some(since)))
        }
        (PersonKind::Customer, None) => "is a customer".to_owned(),
        (PersonKind::Anonymous, _) if found.person == found.identity => "is anonymous".to_owned(),
        (PersonKind::Anonymous, _) => format!("is anonymous, in the group of {}", code(&found.person)),
    }
}

fn code(identity: &Identity) -> String {
    format!("<code>{}</code>", xml(&identity.to_string()))
}

fn time(time: Option<Time>) -> String {
    time.map_or_else(|| "–".to_owned(), |time| xml(&moment(time)))
}

fn table(out: &mut String, heading: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    put(out, format_args!("<section><h2>{heading}</h2><div class=\"scroll\"><table>\n<tr>"));
    heads.iter().for_each(|head| put(out, format_args!("<th>{head}</th>")));
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| put(out, format_args!("<td>{cell}</td>")));
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div></section>\n");
}
