//! The timeline of a page: a lane for each session, and each event in its order of time.

use std::collections::BTreeMap;

use crate::export::picture::label::{columns, xml};
use crate::export::picture::pen::put;
use crate::model::identity::Identity;
use crate::model::namespace::SESSION;
use crate::model::person::AttributionKind;
use crate::model::time::Time;
use crate::resolver::EventRow;

/// Where the first event stands, and how far apart two are at least and at most. Between them it is the longer the longer the pause,
/// by its binary logarithm.
const FIRST: u32 = 20;
const LEAST: u32 = 16;
const EACH_DOUBLING: u32 = 6;
const MOST: u32 = 90;

/// Height of the axis and of a lane; of its name, its logins and its events below its top.
const AXIS: u32 = 30;
const LANE: u32 = 64;
const NAME: u32 = 16;
const LOGIN: u32 = 33;
const MIDDLE: u32 = 48;

/// Between two times on the axis.
const TICK: u32 = 70;

/// About the width of a sign of a lane's name.
const SIGN: u32 = 8;

/// What an event is to the person of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DrawnAs {
    Theirs(AttributionKind),
    /// Of somebody else, who is a customer.
    Others,
}

impl DrawnAs {
    const ALL: [Self; 5] = [
        Self::Theirs(AttributionKind::Direct),
        Self::Theirs(AttributionKind::Retroactive),
        Self::Theirs(AttributionKind::Carried),
        Self::Theirs(AttributionKind::Anonymous),
        Self::Others,
    ];

    fn of(event: &EventRow, person: &Identity) -> Self {
        match event.attribution {
            AttributionKind::Anonymous => Self::Theirs(AttributionKind::Anonymous),
            kind if event.person == *person => Self::Theirs(kind),
            _ => Self::Others,
        }
    }

    /// What it is called, and its class.
    fn name(self) -> &'static str {
        match self {
            Self::Theirs(kind) => kind.word(),
            Self::Others => "other",
        }
    }

    /// A shape for each: no colour is needed to tell them apart.
    fn shape(self) -> &'static str {
        match self {
            Self::Theirs(AttributionKind::Direct) => "m-6 0a6 6 0 1 1 12 0a6 6 0 1 1 -12 0z",
            Self::Theirs(AttributionKind::Retroactive) => "m5 -6.5v13l-12 -6.5z",
            Self::Theirs(AttributionKind::Carried) => "m-5 -6.5v13l12 -6.5z",
            Self::Theirs(AttributionKind::Anonymous) => "m-5 0a5 5 0 1 1 10 0a5 5 0 1 1 -10 0z",
            Self::Others => "m-5 -5l10 10m-10 0l10 -10",
        }
    }
}

/// An event, and what each policy makes of it.
#[derive(Debug, Clone)]
struct DrawnEvent {
    row: EventRow,
    x: u32,
    lane: usize,
    marks: Vec<DrawnAs>,
}

/// The events of a person's sessions.
#[derive(Debug, Clone)]
pub struct Timeline {
    lanes: Vec<Identity>,
    events: Vec<DrawnEvent>,
    left_out: usize,
}

impl Timeline {
    /// That of `person`. The `readings` are the same events by one policy after the other; `total` is how many there are in all.
    pub fn new(person: &Identity, readings: Vec<Vec<EventRow>>, total: usize) -> Self {
        let marks =
            |at: usize| readings.iter().filter_map(|events| Some(DrawnAs::of(events.get(at)?, person))).collect();
        let first = readings.first().cloned().unwrap_or_default();
        let (mut lanes, mut places) = (Vec::new(), BTreeMap::new());
        let (mut x, mut before): (u32, Option<Time>) = (FIRST, None);
        let mut events = Vec::with_capacity(first.len());
        for (at, row) in first.into_iter().enumerate() {
            if let Some(before) = before.filter(|before| *before != row.time) {
                let minutes = row.time.as_micros().saturating_sub(before.as_micros()) / 60_000_000;
                x += (LEAST + EACH_DOUBLING * (minutes.unsigned_abs() + 1).ilog2()).min(MOST);
            }
            before = Some(row.time);
            let Some(anchor) = anchor(&row).cloned() else { continue };
            let lane = *places.entry(anchor.to_string()).or_insert_with(|| {
                lanes.push(anchor);
                lanes.len() - 1
            });
            events.push(DrawnEvent { marks: marks(at), row, x, lane });
        }
        let left_out = total - events.len();
        Self { lanes, events, left_out }
    }

    /// Writes it, with what the colours mean under each policy.
    pub fn write(&self, out: &mut String) {
        let policies = self.events.first().map_or(0, |event| event.marks.len());
        for policy in 0..policies {
            put(out, format_args!("<ul class=\"legend p{policy}\">"));
            for mark in DrawnAs::ALL {
                let count = self.events.iter().filter(|event| event.marks.get(policy) == Some(&mark)).count();
                let (class, shape) = (mark.name(), mark.shape());
                let name = if mark == DrawnAs::Others { "somebody else’s" } else { class };
                put(
                    out,
                    format_args!(
                        "<li><svg width=\"16\" height=\"16\" viewBox=\"-8 -8 16 16\" aria-hidden=\"true\"><path class=\"{class}\" \
                         d=\"M0 0{shape}\"/></svg> {name} <b>{count}</b></li>"
                    ),
                );
            }
            out.push_str("</ul>\n");
        }
        let named = self.lanes.iter().map(|lane| SIGN * columns(&lane.to_string()) as u32);
        let width = named.chain(self.events.iter().map(|event| event.x)).max().unwrap_or_default() + 40;
        let height = AXIS + LANE * self.lanes.len() as u32;
        put(
            out,
            format_args!(
                "<div class=\"scroll\" tabindex=\"0\"><svg width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"timeline\">\n"
            ),
        );
        self.write_axis(out);
        for (place, lane) in self.lanes.iter().enumerate() {
            self.write_lane(place, lane, width, out);
        }
        out.push_str("</svg></div>\n");
        if self.left_out > 0 {
            put(out, format_args!("<p class=\"quiet\">{} later events are left out.</p>\n", self.left_out));
        }
    }

    fn write_axis(&self, out: &mut String) {
        let (mut free, mut day) = (0, String::new());
        for DrawnEvent { row, x, .. } in &self.events {
            let written = row.time.to_string();
            let (date, clock) = written.split_once('T').unwrap_or((&written, ""));
            if *x < free {
                continue;
            }
            if date != day {
                put(out, format_args!("<text class=\"tick\" x=\"{x}\" y=\"12\">{}</text>\n", xml(date)));
                day = date.to_owned();
            }
            let clock = clock.get(..5).unwrap_or(clock);
            put(out, format_args!("<text class=\"tick\" x=\"{x}\" y=\"25\">{}</text>\n", xml(clock)));
            free = x + TICK;
        }
    }

    fn write_lane(&self, place: usize, lane: &Identity, width: u32, out: &mut String) {
        let top = AXIS + LANE * place as u32;
        let (name, login, middle) = (top + NAME, top + LOGIN, top + MIDDLE);
        put(
            out,
            format_args!(
                "<path class=\"rule\" d=\"M0 {top}H{width}\"/>\n<text class=\"lane\" x=\"8\" y=\"{name}\">{}</text>\n",
                xml(&lane.to_string())
            ),
        );
        let mut last: Option<&Identity> = None;
        for event in self.events.iter().filter(|event| event.lane == place) {
            let (x, row) = (event.x, &event.row);
            if row.attribution == AttributionKind::Direct && row.person != *lane && last != Some(&row.person) {
                put(
                    out,
                    format_args!("<text class=\"login\" x=\"{x}\" y=\"{login}\">⚑ {}</text>\n", xml(&row.person.value)),
                );
                last = Some(&row.person);
            }
            put(out, format_args!("<g><title>{}</title>", told(row)));
            for mark in DrawnAs::ALL {
                let policies = event.marks.iter().enumerate().filter(|(_, other)| **other == mark);
                let classes: String = policies.map(|(policy, _)| format!(" p{policy}")).collect();
                if !classes.is_empty() {
                    let (class, shape) = (mark.name(), mark.shape());
                    put(out, format_args!("<path class=\"{class}{classes}\" d=\"M{x} {middle}{shape}\"/>"));
                }
            }
            out.push_str("</g>\n");
        }
    }
}

/// What an event is grouped under: its session or, without one, its highest identity.
fn anchor(row: &EventRow) -> Option<&Identity> {
    let lowest = row.identities.first()?;
    if lowest.namespace.eq_ignore_ascii_case(SESSION) { Some(lowest) } else { row.identities.last() }
}

/// What is said of an event to a reader who points at it.
fn told(row: &EventRow) -> String {
    let identities = row.identities.iter().map(ToString::to_string);
    let lines =
        [row.time.to_string()].into_iter().chain(identities).chain([row.sources.join(", "), row.event.to_string()]);
    lines.map(|line| xml(&line)).collect::<Vec<_>>().join("\n")
}
