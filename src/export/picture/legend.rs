//! What colours and lines mean, below the picture: only of what occurs in it.

use crate::export::picture::Picture;
use crate::export::picture::colour::of_person;
use crate::export::picture::label::{columns, xml};
use crate::export::picture::pen::{MARGIN, REFUSED, draw_mark, number, put};
use crate::model::writing::visible;

/// People that are named. The numbers of the others are found beside the names that are drawn.
const PEOPLE_NAMED: usize = 24;

/// Height of a row.
const ROW: f64 = 24.0;
/// Width of what stands before a text.
const SWATCH: f64 = 30.0;
/// About how wide a sign of the text is.
const SIGN: f64 = 7.2;
/// Between two entries.
const SPACE: f64 = 22.0;

/// What stands before the text of an entry.
enum Swatch {
    /// The colour of the person at this place.
    Person(usize),
    /// A line of this class and colour.
    Line(&'static str, &'static str),
    /// The frame of what was asked for.
    Asked,
    Nothing,
}

/// Draws the legend below `top`; returns where it ends.
pub fn draw(picture: &Picture, width: f64, top: f64, out: &mut String) -> f64 {
    let mut y = top + 30.0;
    if !picture.nodes.is_empty() {
        let (right, y) = (number(width - MARGIN), number(y));
        put(out, format_args!("<path d=\"M{MARGIN} {y}H{right}\" stroke=\"#d8dee6\"/>\n"));
    }
    for group in [people(picture), lines(picture)] {
        let mut x = MARGIN;
        for (place, (swatch, text)) in group.iter().enumerate() {
            let wide = SWATCH + SIGN * columns(text) as f64;
            if place == 0 || x + wide > width - MARGIN {
                (x, y) = (MARGIN, y + ROW);
            }
            draw_swatch(picture, swatch, x, y, out);
            let (at, line) = (number(x + SWATCH + 7.0), number(y + 4.0));
            put(out, format_args!("<text class=\"legend\" x=\"{at}\" y=\"{line}\">{}</text>\n", xml(text)));
            x += wide + SPACE;
        }
    }
    let utc = picture.links.iter().any(|line| line.chain).then(|| "Times are UTC".to_owned());
    let note: Vec<String> = picture.left_out_in_words().into_iter().chain(utc).collect();
    if !note.is_empty() {
        y += ROW;
        let (line, text) = (number(y + 4.0), xml(&format!("{}.", note.join(". "))));
        put(out, format_args!("<text class=\"note\" x=\"{MARGIN}\" y=\"{line}\">{text}</text>\n"));
    }
    y
}

fn people(picture: &Picture) -> Vec<(Swatch, String)> {
    let named = picture.people.iter().take(PEOPLE_NAMED).enumerate().map(|(place, person)| {
        let name = format!("{}:{}", visible(&person.identity.namespace), person.label);
        (Swatch::Person(place), if person.customer { name } else { format!("{name} (anonymous)") })
    });
    let mut entries: Vec<(Swatch, String)> = named.collect();
    match picture.people.len().saturating_sub(PEOPLE_NAMED) {
        0 => {}
        1 => entries.push((Swatch::Nothing, "and 1 more person".to_owned())),
        more => entries.push((Swatch::Nothing, format!("and {more} more people"))),
    }
    entries
}

fn lines(picture: &Picture) -> Vec<(Swatch, String)> {
    let any =
        |chain: bool, refused: bool| picture.links.iter().any(|line| (line.chain, line.refused) == (chain, refused));
    const GREY: &str = "#5b6675";
    let asked = picture.nodes.iter().any(|node| node.asked);
    let broken = any(true, true);
    // Of the dashed ones the thick one tells for both.
    let chain = if broken { "the way between the two" } else { "the chain of evidence" };
    let entries = [
        (asked, Swatch::Asked, "asked for"),
        (any(true, false), Swatch::Line("chain", GREY), chain),
        (any(false, false), Swatch::Line("link", GREY), "seen in one event"),
        (broken, Swatch::Line("chain refused", REFUSED), "refused link: it would merge two customers"),
        (
            any(false, true) && !broken,
            Swatch::Line("link refused", REFUSED),
            "refused link: it would merge two customers",
        ),
    ];
    entries.into_iter().filter(|entry| entry.0).map(|(_, swatch, text)| (swatch, text.to_owned())).collect()
}

fn draw_swatch(picture: &Picture, swatch: &Swatch, x: f64, y: f64, out: &mut String) {
    let (left, middle, right) = (number(x), number(y), number(x + SWATCH));
    let rect = |inset: f64, fill: &str, stroke: &str, thick: &str| {
        let (x, y) = (number(x + inset), number(y - 7.0 + inset));
        let (width, height, round) = (number(SWATCH - 2.0 * inset), number(14.0 - 2.0 * inset), number(7.0 - inset));
        format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\" fill=\"{fill}\" \
             stroke=\"{stroke}\" stroke-width=\"{thick}\"/>"
        )
    };
    match *swatch {
        Swatch::Person(place) => {
            let colours = of_person(place);
            out.push_str(&rect(0.5, &colours.strong, &colours.strong, "1"));
            if let Some(mark) = picture.mark(place) {
                draw_mark(&mark, (x, y, SWATCH), ("none", "#ffffff"), out);
            }
        }
        Swatch::Line(class, colour) => {
            put(out, format_args!("<path class=\"{class}\" stroke=\"{colour}\" d=\"M{left} {middle}H{right}\"/>"));
        }
        Swatch::Asked => {
            out.push_str(&rect(0.0, "#ffffff", "#5b6675", "2"));
            out.push_str(&rect(3.0, "#e3e8ee", "#5b6675", "1"));
        }
        Swatch::Nothing => {}
    }
}
