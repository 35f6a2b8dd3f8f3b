//! The picture as SVG, complete in itself: no script, no font, nothing from elsewhere.

use crate::export::picture::colour::{Colours, of_person};
use crate::export::picture::frame::{Frame, MARK_SPACE, MOMENT_PADDING, MOMENT_SIGN, SPACE, moment_width, width};
use crate::export::picture::label::{columns, moment, xml};
use crate::export::picture::legend;
use crate::export::picture::pen::{MARGIN, NAMESPACE_SIGN, REFUSED, VALUE_SIGN, draw_mark, number, put};
use crate::export::picture::{DrawnIdentity, DrawnLink, Picture};
use crate::model::writing::visible;

/// Height of the box of an identity.
const BOX: f64 = 25.0;

/// Height of a line of the title, and about how wide its signs are; of what stands below it.
const TITLE_LINE: f64 = 22.0;
const TITLE_SIGN: f64 = 9.2;
const NOTE_LINE: f64 = 18.0;
const NOTE_SIGN: f64 = 6.8;

/// Height of a moment on a link.
const MOMENT: f64 = 17.0;

/// Everything that is not an attribute: a page that holds the picture admits this style, and no other.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
.title{font-size:15px;font-weight:600;fill:#1f2733}
.id{font-family:ui-monospace,Menlo,'DejaVu Sans Mono',Consolas,monospace;font-size:12px}
.ns{font-family:ui-monospace,Menlo,'DejaVu Sans Mono',Consolas,monospace;font-size:10px;opacity:.72}
.at{font-family:ui-monospace,Menlo,'DejaVu Sans Mono',Consolas,monospace;font-size:10px}
.legend{font-size:12px;fill:#1f2733}
.note{font-size:12px;fill:#5b6675}
.moment{fill:#ffffff;stroke-opacity:.55}
.mark{font-size:10px;font-weight:600;text-anchor:middle}
.link{fill:none;stroke-width:1.4;stroke-opacity:.6}
.chain{fill:none;stroke-width:4;stroke-linecap:round}
.refused{stroke-dasharray:5 4;stroke-opacity:.75}
.chain.refused{stroke-dasharray:9 8;stroke-opacity:1}
";

impl Picture {
    /// The hash of the style in each [`svg`](Self::svg), for a content security policy: `style-src 'HASH'`. A picture has no other style, and
    /// no script.
    pub const STYLE_HASH: &str = "sha256-x8qrwcw//LFO1MECcKfuMI0XGx8mbanlV9NzVNJhhqQ=";

    /// The picture as a whole SVG document. The same picture gives the same bytes.
    ///
    /// Costs about n log n of the lines drawn, and half a kilobyte an identity or link.
    pub fn svg(&self) -> String {
        let mut frame = Frame::new(self);
        let mut body = String::new();
        frame.top = self.draw_title(frame.width, &mut body) + BOX / 2.0 + 18.0;
        // What matters most lies on top.
        for of in [(false, false), (false, true), (true, false), (true, true)] {
            for (place, link) in self.links.iter().enumerate() {
                if (link.chain, link.refused) == of {
                    self.draw_link(link, &frame.way(self, place), &mut body);
                }
            }
        }
        for (place, link) in self.links.iter().enumerate() {
            if let Some(at) = frame.moment(self, place) {
                self.draw_moment(link, at, &mut body);
            }
        }
        for (place, node) in self.nodes.iter().enumerate() {
            self.draw_node(node, frame.node(self, place), &mut body);
        }
        let bottom = frame.top + if self.nodes.is_empty() { 0.0 } else { frame.height() + BOX / 2.0 };
        let height = legend::draw(self, frame.width, bottom, &mut body) + MARGIN;
        let (width, label) = (number(frame.width), xml(self.title.lines().next().unwrap_or_default()));
        let height = number(height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n<style>{STYLE}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }

    /// The first line of the title is larger than the others. Returns where it ends.
    fn draw_title(&self, width: f64, out: &mut String) -> f64 {
        let mut y = MARGIN - 6.0;
        for (at, line) in self.title.lines().enumerate() {
            let (class, height, sign) =
                if at == 0 { ("title", TITLE_LINE, TITLE_SIGN) } else { ("note", NOTE_LINE, NOTE_SIGN) };
            for text in wrapped(&visible(line), ((width - 2.0 * MARGIN) / sign) as usize) {
                y += height;
                let y = number(y);
                put(out, format_args!("<text class=\"{class}\" x=\"{MARGIN}\" y=\"{y}\">{}</text>\n", xml(&text)));
            }
        }
        y
    }

    fn draw_link(&self, line: &DrawnLink, way: &[[f64; 4]], out: &mut String) {
        let class = match (line.chain, line.refused) {
            (true, true) => "chain refused",
            (true, false) => "chain",
            (false, true) => "link refused",
            (false, false) => "link",
        };
        let colour = if line.refused { REFUSED.to_owned() } else { self.colours(&self.nodes[line.lower]).strong };
        let mut path = String::new();
        for (at, &[x0, y0, x1, y1]) in way.iter().enumerate() {
            let (start, middle) = (if at == 0 { 'M' } else { 'L' }, number((x0 + x1) / 2.0));
            let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(number);
            put(&mut path, format_args!("{start}{x0} {y0}C{middle} {y0} {middle} {y1} {x1} {y1}"));
        }
        let told = self.line_in_words(line).iter().map(|text| xml(text)).collect::<Vec<_>>().join("\n");
        let [lower, higher] = [line.lower, line.higher].map(|place| xml(&self.nodes[place].identity.to_string()));
        put(
            out,
            format_args!(
                "<path class=\"{class}\" stroke=\"{colour}\" d=\"{path}\" data-lower=\"{lower}\" data-higher=\"{higher}\">\
                 <title>{told}</title></path>\n"
            ),
        );
    }

    /// The moment of a link of the chain, on it.
    fn draw_moment(&self, link: &DrawnLink, (x, y): (f64, f64), out: &mut String) {
        let text = moment(link.first);
        let (width, length) = (moment_width(link), width(&text, MOMENT_SIGN));
        let colour = if link.refused { REFUSED.to_owned() } else { self.colours(&self.nodes[link.lower]).strong };
        put(
            out,
            format_args!(
                "<rect class=\"moment\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{MOMENT}\" rx=\"5\" stroke=\"{colour}\"/>\
                 <text class=\"at\" x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>\n",
                number(x - width / 2.0),
                number(y - MOMENT / 2.0),
                number(width),
                number(x - width / 2.0 + MOMENT_PADDING),
                number(y + 3.5),
                number(length),
                xml(&text)
            ),
        );
    }

    fn draw_node(&self, node: &DrawnIdentity, (left, right, y): (f64, f64, f64), out: &mut String) {
        let Colours { pale, strong, ink } = self.colours(node);
        let (fill, text) = if node.customer { (&strong, "#ffffff") } else { (&pale, ink.as_str()) };
        let told = self.node_in_words(node).iter().map(|text| xml(text)).collect::<Vec<_>>().join("\n");
        let id = xml(&node.identity.to_string());
        put(out, format_args!("<g data-id=\"{id}\"><title>{told}</title>"));
        let frame = |out: &mut String, around: f64, fill: &str, thick: &str| {
            let (x, y) = (number(left - around), number(y - BOX / 2.0 - around));
            let (width, height) = (number(right - left + 2.0 * around), number(BOX + 2.0 * around));
            let round = number(BOX / 2.0 + around);
            put(
                out,
                format_args!(
                    "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\" fill=\"{fill}\" \
                     stroke=\"{strong}\" stroke-width=\"{thick}\"/>"
                ),
            );
        };
        if node.asked {
            frame(out, 4.0, "#ffffff", "2.2");
        }
        frame(out, 0.0, fill, "1.2");
        if let Some((mark, width)) = self.mark(node.person).zip(self.mark_width(node.person)) {
            let colours = if node.customer { ("#ffffff", &*strong) } else { (&*strong, "#ffffff") };
            draw_mark(&mark, (left + MARK_SPACE, y, width), colours, out);
        }
        let (x, y) = (left + self.text_inset(node), y + 4.2);
        let after = width(&node.namespace, NAMESPACE_SIGN) + SPACE;
        for (class, x, sign, written) in
            [("ns", x, NAMESPACE_SIGN, &node.namespace), ("id", x + after, VALUE_SIGN, &node.label)]
        {
            let (x, y, length) = (number(x), number(y), number(width(written, sign)));
            put(
                out,
                format_args!(
                    "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" fill=\"{text}\" textLength=\"{length}\" \
                     lengthAdjust=\"spacingAndGlyphs\">{}</text>",
                    xml(written)
                ),
            );
        }
        out.push_str("</g>\n");
    }

    fn colours(&self, node: &DrawnIdentity) -> Colours {
        of_person(node.person)
    }
}

/// A text in lines of about so many signs.
fn wrapped(text: &str, signs: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= signs => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
