//! The pictures of `explain`: what they draw, and that it can be read: moments on no other line, every person drawn and told
//! apart, every name different.

use std::collections::{BTreeMap, BTreeSet};

use backstitch::limits::MAX_DRAWN;
use backstitch::{Engine, Identity, Picture};

use crate::explain::{TABLET, identity, told};
use crate::harness::replayed;
use crate::oracle::Rules;

pub fn picture(engine: &Engine, asked: &[&str]) -> Picture {
    let view = engine.resolver().view();
    Picture::new(
        &view,
        &asked.iter().map(|text| identity(text)).collect::<Vec<_>>(),
        "A <title> & \"more\"\nand a note",
    )
}

/// The names of the elements of an XML text, each opened and closed; every attribute quoted, every sign allowed.
#[track_caller]
pub fn elements(xml: &str) -> Vec<String> {
    let (mut open, mut all): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let text_is_sound = |text: &str| {
        assert!(!text.contains(['<', '>']), "{text}");
        assert!(text.chars().all(|sign| sign == '\n' || !sign.is_control()), "{text:?}");
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        for (at, _) in text.match_indices('&') {
            assert!(entities.iter().any(|entity| text[at..].starts_with(entity)), "{text}");
        }
    };
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        text_is_sound(&rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let pieces: Vec<&str> = attributes.split('"').collect();
        assert!(pieces.len() % 2 == 1 && pieces[pieces.len() - 1].trim().is_empty(), "{tag}");
        for attribute in pieces.chunks_exact(2) {
            let name = attribute[0].trim().strip_suffix('=').unwrap_or_else(|| panic!("{tag}"));
            assert!(!name.is_empty() && name.chars().all(|sign| sign.is_alphanumeric() || sign == '-'), "{tag}");
            text_is_sound(attribute[1]);
        }
        all.push(name.to_owned());
        if !closed {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    all
}

/// How many nodes and edges a text for Graphviz has; its quotes and braces are balanced.
#[track_caller]
pub fn nodes_and_edges(dot: &str) -> (usize, usize) {
    let (mut depth, mut quoted, mut escaped, mut bare) = (0, false, false, String::new());
    for sign in dot.chars() {
        assert!(sign == '\n' || !sign.is_control(), "{sign:?}");
        match sign {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' => depth += 1,
            '}' => depth -= 1,
            sign => bare.push(sign),
        }
        assert!(depth >= 0);
    }
    assert_eq!((depth, quoted), (0, false));
    let lines = || bare.lines().filter(|line| line.trim_start().starts_with(|sign: char| sign.is_ascii_digit()));
    let edges = lines().filter(|line| line.contains(" -- ")).count();
    (lines().count() - edges, edges)
}

#[test]
fn a_picture_shows_both_groups_the_way_and_what_was_refused() {
    let engine = told(TABLET);
    let picture = picture(&engine, &["device:d", "sessionId:phone"]);
    let svg = picture.svg();
    let all = elements(&svg);
    assert_eq!(all.iter().filter(|name| *name == "g").count(), 5, "an identity each");
    assert_eq!(svg.matches("<path class=\"chain\" stroke=\"#").count(), 3, "two, and one in the legend");
    assert_eq!(svg.matches("<path class=\"chain refused\"").count(), 2, "one, and one in the legend");
    assert_eq!(svg.matches("<path class=\"link\"").count(), 2, "one, and one in the legend");
    assert!(svg.contains("refused: it would merge ecommerceId:clara and ecommerceId:dan"), "{svg}");
    assert!(svg.contains(">1970-01-01 00:05:00</text>"), "the moment of a link of the way: {svg}");
    assert!(svg.contains(">A &lt;title&gt; &amp; &quot;more&quot;</text>"), "{svg}");
    assert_eq!(nodes_and_edges(&picture.dot()), (5, 4));
    assert_eq!(picture.dot().matches("style=dashed").count(), 1);
    assert_eq!(picture.dot().matches("penwidth=4").count(), 3);
}

#[test]
fn the_far_ends_of_refused_links_are_drawn_with_one_group() {
    let engine = told(TABLET);
    let picture = picture(&engine, &["device:d"]);
    assert_eq!((picture.drawn(), picture.left_out()), (4, 0), "Dan, but not his phone");
    assert_eq!(picture.svg().matches("<path class=\"link refused\"").count(), 2, "one, and one in the legend");
}

#[test]
fn what_a_log_says_does_not_break_a_picture() {
    let evil = "a\u{1b}[31m\"</text><script>\\ & ]]> {}\n\u{202e}\u{0}\u{ffff}--";
    let line = |identities: serde_json::Value| {
        serde_json::json!({"timestamp": 1, "user": {"identities": identities}}).to_string() + "\n"
    };
    let log = line(serde_json::json!({"sessionId": evil, "e\"<&'": evil}))
        + &line(serde_json::json!({"e\"<&'": evil, "ecommerceId": format!("{evil}花子")}));
    let engine = replayed(&Rules::default(), &log);
    let view = engine.resolver().view();
    let asked = Identity::new("sessionId", evil);
    let picture = Picture::new(&view, &[asked], evil);
    let svg = picture.svg();
    assert!(!elements(&svg).contains(&"script".to_owned()));
    assert!(!svg.contains('\u{202e}') && !svg.contains('\u{ffff}'));
    assert_eq!(nodes_and_edges(&picture.dot()), (3, 2));
    assert_eq!(elements(&Picture::new(&view, &[], "").svg())[0], "svg", "of no identity");
}

/// More identities than a picture draws: what was asked for, its chain and the nearest are there, whatever the order of the log.
#[test]
fn a_large_group_is_drawn_in_part_and_says_so() {
    const SESSIONS: usize = MAX_DRAWN + 60;
    let mut events: Vec<String> = (0..SESSIONS).map(|at| format!("{at} sessionId=s{at} ecommerceId=c")).collect();
    let asked = format!("sessionId:s{}", SESSIONS - 1);
    let forwards = picture(&told(&events.join("\n")), &[&asked]);
    events.reverse();
    let backwards = picture(&told(&events.join("\n")), &[&asked]);
    assert_eq!((forwards.drawn(), forwards.left_out()), (MAX_DRAWN, SESSIONS + 1 - MAX_DRAWN));
    let svg = forwards.svg();
    assert!(svg.contains(&format!("{} more identities are left out", SESSIONS + 1 - MAX_DRAWN)), "it says so");
    assert!(svg.contains(&format!(">s{}</text>", SESSIONS - 1)) && svg.contains(">s0</text>"), "asked, and earliest");
    assert!(!svg.contains(&format!(">s{}</text>", SESSIONS - 2)));
    elements(&svg);
    assert_eq!((svg, forwards.dot()), (backwards.svg(), backwards.dot()), "the facts alone make the bytes");
}

/// A box: left, top, right and bottom.
type Edges = [f64; 4];

/// The value of an attribute of a tag.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[from..].split('"').next()
}

fn edges(rect: &str) -> Edges {
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| {
        attribute(rect, name).and_then(|value| value.parse::<f64>().ok()).unwrap_or_else(|| panic!("{name} of {rect}"))
    });
    [x, y, x + width, y + height]
}

fn tags<'s>(svg: &'s str, begin: &str) -> Vec<&'s str> {
    svg.match_indices(begin).map(|(at, _)| svg[at..].split('>').next().expect("a tag")).collect()
}

/// Points along a path of lines and curves, closer to each other than anything that is drawn.
fn points(path: &str) -> Vec<[f64; 2]> {
    let (mut at, mut points) = ([0.0; 2], Vec::new());
    let starts: Vec<usize> = path.match_indices(char::is_alphabetic).map(|(at, _)| at).chain([path.len()]).collect();
    for pair in starts.windows(2) {
        let numbers: Vec<f64> =
            path[pair[0] + 1..pair[1]].split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let to = match &path[pair[0]..pair[0] + 1] {
            "M" => {
                at = [numbers[0], numbers[1]];
                continue;
            }
            "L" => [at, at, [numbers[0], numbers[1]], [numbers[0], numbers[1]]],
            "C" => [at, [numbers[0], numbers[1]], [numbers[2], numbers[3]], [numbers[4], numbers[5]]],
            other => panic!("{other} in {path}"),
        };
        const STEPS: usize = 400;
        for step in 0..=STEPS {
            let t = step as f64 / STEPS as f64;
            let weights = [(1.0 - t).powi(3), 3.0 * t * (1.0 - t).powi(2), 3.0 * t * t * (1.0 - t), t.powi(3)];
            points.push([0, 1].map(|axis| weights.iter().zip(&to).map(|(weight, at)| weight * at[axis]).sum()));
        }
        at = to[3];
    }
    points
}

/// No moment stands on a line but its own, on an identity or on another moment; every link of the chain has its own.
#[track_caller]
pub fn moments_can_be_read(svg: &str) {
    let moments: Vec<Edges> = tags(svg, "<rect class=\"moment\"").into_iter().map(edges).collect();
    // Those of the legend are level, and have no curves.
    let drawn = |path: &&str| attribute(path, "d").is_some_and(|d| d.contains('C'));
    let paths: Vec<&str> = tags(svg, "<path class=\"").into_iter().filter(drawn).collect();
    let chain = paths.iter().filter(|path| path.contains("class=\"chain")).count();
    assert_eq!(moments.len(), chain, "a moment each");
    let lines: Vec<Vec<[f64; 2]>> = paths.iter().map(|path| points(attribute(path, "d").expect("a path"))).collect();
    let identities: Vec<Edges> = svg
        .match_indices("<g data-id=")
        .flat_map(|(at, _)| tags(&svg[at..at + svg[at..].find("</g>").expect("closed")], "<rect x"))
        .map(edges)
        .collect();
    for (at, &[left, top, right, bottom]) in moments.iter().enumerate() {
        let on = |points: &&Vec<[f64; 2]>| {
            points.iter().any(|[x, y]| (left..=right).contains(x) && (top - 1.0..=bottom + 1.0).contains(y))
        };
        assert_eq!(lines.iter().filter(on).count(), 1, "lines under {:?}: its own", moments[at]);
        for other in moments[..at].iter().chain(&identities) {
            let apart = other[0] >= right || other[2] <= left || other[1] >= bottom || other[3] <= top;
            assert!(apart, "{:?} and {other:?}", moments[at]);
        }
    }
}

/// The identities of a picture by what is said of them, each with its box: the name in two parts as shown, the colour.
fn drawn(svg: &str) -> BTreeMap<String, (String, String)> {
    let groups =
        svg.split("<g data-id=").skip(1).filter_map(|group| group.split_once("<title>")).map(|(_, group)| group);
    groups
        .map(|group| {
            let group = group.split("</g>").next().expect("closed");
            let (title, rest) = group.split_once("</title>").expect("told");
            let texts: Vec<&str> = rest
                .match_indices("<text class=\"")
                .filter(|(at, _)| !rest[*at..].starts_with("<text class=\"mark"))
                .map(|(at, _)| rest[at..].split_once('>').expect("a tag").1.split('<').next().expect("a text"))
                .collect();
            let stroke = attribute(rest, "stroke").expect("a colour").to_owned();
            (title.to_owned(), (texts.join(" "), stroke))
        })
        .collect()
}

/// Everybody whom an identity belongs to is drawn; no two people have a colour in common, no two identities a name.
#[track_caller]
pub fn people_are_told_apart(svg: &str) {
    let all = drawn(svg);
    let names: BTreeSet<&str> = all.keys().map(|title| title.lines().next().expect("a name")).collect();
    let shown: BTreeSet<&String> = all.values().map(|(shown, _)| shown).collect();
    assert_eq!(shown.len(), all.len(), "{shown:?}");
    let mut colours: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (title, (_, colour)) in &all {
        let (name, whose) = title.split_once('\n').expect("two lines");
        let whose = whose.lines().next().expect("a line");
        let whose = ["belongs to ", "anonymous: of the group of "]
            .iter()
            .find_map(|before| whose.strip_prefix(before))
            .unwrap_or(name);
        assert!(names.contains(whose), "{whose}, whose {name} is, is not drawn");
        colours.entry(colour).or_default().insert(whose);
    }
    assert!(colours.values().all(|people| people.len() == 1), "{colours:?}");
    let people: BTreeSet<&&str> = colours.values().flatten().collect();
    assert_eq!(people.len(), colours.len(), "a colour each");
}

/// Anna's and Ben's sessions cross in two devices and an e-mail.
const TWO_PEOPLE: &str = "0 sessionId=phone-a ecommerceId=anna\n 1 sessionId=laptop-a ecommerceId=anna
    2 sessionId=phone-a device=t1\n 3 sessionId=phone-b device=t1\n 4 sessionId=phone-b ecommerceId=ben
    5 sessionId=laptop-b ecommerceId=ben\n 6 sessionId=laptop-a device=t2\n 7 sessionId=laptop-b device=t2
    8 sessionId=laptop-a email=home\n 9 sessionId=laptop-b email=home";

#[test]
fn no_moment_stands_on_a_line_that_crosses() {
    for (events, asked) in [
        (TABLET, vec!["device:d", "sessionId:phone"]),
        (TWO_PEOPLE, vec!["sessionId:phone-a", "ecommerceId:ben"]),
        (TWO_PEOPLE, vec!["sessionId:phone-a", "sessionId:laptop-b"]),
        (TWO_PEOPLE, vec!["sessionId:phone-b"]),
        (TWO_PEOPLE, vec!["device:t2", "ecommerceId:anna"]),
    ] {
        let svg = picture(&told(events), &asked).svg();
        assert!(svg.contains("<rect class=\"moment\""), "{asked:?}");
        moments_can_be_read(&svg);
        people_are_told_apart(&svg);
    }
}

/// A tablet that nine people use, whose names differ in the middle alone; a second one belongs to its owner through a session.
fn nine_people() -> Engine {
    let customer = |number: usize| format!("customer-of-the-reading-room-{number}-since-2026-member");
    let mut events =
        vec![format!("0 sessionId=desk ecommerceId={}", customer(0)), "1 sessionId=desk device=tablet".into()];
    for number in 0..9 {
        let (at, customer) = (10 * number + 10, customer(number));
        events.push(format!("{at} sessionId=session-of-the-reading-room-{number}-since-2026 ecommerceId={customer}"));
        events.push(format!("{} sessionId=kiosk ecommerceId={customer}", at + 1));
        events.push(format!("{} sessionId=session-of-the-reading-room-{number}-since-2026 device=tablet", at + 2));
    }
    told(&events.join("\n"))
}

#[test]
fn nine_people_have_their_own_colours_and_names_and_the_owner_is_drawn() {
    let engine = nine_people();
    let member = |number: usize| format!("ecommerceId:customer-of-the-reading-room-{number}-since-2026-member");
    for asked in [vec!["sessionId:kiosk"], vec!["device:tablet"], vec![&*member(7)], vec![&*member(3), &*member(8)]] {
        let svg = picture(&engine, &asked).svg();
        moments_can_be_read(&svg);
        people_are_told_apart(&svg);
    }
    let seventh = picture(&engine, &[&member(7)]);
    let svg = seventh.svg();
    assert!(svg.contains(&format!("<title>{}\na customer", member(0))), "the owner of the tablet and the kiosk");
    assert!(svg.contains("<title>sessionId:desk\n"), "by which the tablet is the owner's");
    let all = picture(&engine, &["sessionId:kiosk"]).svg();
    assert!(!all.contains(" more p"), "all nine are named");
}
