//! The picture as SVG, complete in itself: no script, no font, nothing from elsewhere.

use crate::export::picture::colour::{Colours, of_person};
use crate::export::picture::label::{columns, moment, plain, short, xml};
use crate::export::picture::layout::{Layout, Plan, lay_out};
use crate::export::picture::legend;
use crate::export::picture::pen::{MARGIN, REFUSED, number, put};
use crate::export::picture::{Line, Node, Picture};

/// No picture is narrower: the legend is to have room.
const LEAST_WIDTH: f64 = 620.0;

/// Height of the box of an identity.
const BOX: f64 = 25.0;
/// Between the box of an identity and its text.
const PADDING: f64 = 12.0;
/// Between namespace and value.
const SPACE: f64 = 7.0;
/// Widths of a sign of the value and of the namespace: those fonts are monospaced.
const VALUE_SIGN: f64 = 7.23;
const NAMESPACE_SIGN: f64 = 6.03;

/// Between two columns: room for a moment on a line, and more where a column is high, lest lines become steep.
const GAP: f64 = 230.0;
const MOST_GAP: f64 = 420.0;
const GAP_PER_HEIGHT: f64 = 0.11;

/// Height of a line of the title, and about how wide its signs are; of what stands below it.
const TITLE_LINE: f64 = 22.0;
const TITLE_SIGN: f64 = 9.2;
const NOTE_LINE: f64 = 18.0;
const NOTE_SIGN: f64 = 6.8;

/// The label of a line: its height, and the width of a sign.
const LABEL: f64 = 17.0;
const LABEL_SIGN: f64 = 6.05;

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1f2733}
.title{font-size:15px;font-weight:600}
.id{font-family:ui-monospace,Menlo,'DejaVu Sans Mono',Consolas,monospace;font-size:12px}
.ns{font-family:ui-monospace,Menlo,'DejaVu Sans Mono',Consolas,monospace;font-size:10px;opacity:.72}
.at{font-family:ui-monospace,Menlo,'DejaVu Sans Mono',Consolas,monospace;font-size:10px}
.legend{font-size:12px}
.note{font-size:12px;fill:#5b6675}
.link{fill:none;stroke-width:1.4;stroke-opacity:.6}
.chain{fill:none;stroke-width:4;stroke-linecap:round}
.refused{stroke-dasharray:5 4;stroke-opacity:.75}
.chain.refused{stroke-dasharray:9 8;stroke-opacity:1}
";

/// Where the columns stand: left and right edge of each.
struct Frame {
    edges: Vec<(f64, f64)>,
    top: f64,
    width: f64,
}

impl Picture {
    /// The picture as a whole SVG document. The same picture gives the same bytes.
    ///
    /// Costs about n log n of the lines drawn, and half a kilobyte an identity or link.
    pub fn svg(&self) -> String {
        let columns: Vec<usize> = self.nodes.iter().map(|node| node.column).collect();
        let lines: Vec<(usize, usize, bool)> =
            self.links.iter().map(|line| (line.lower, line.higher, line.chain)).collect();
        let layout = lay_out(Plan { columns: self.columns, nodes: &columns, lines: &lines });
        let mut body = String::new();
        let frame = self.frame(&layout, &mut body);
        // What matters most lies on top.
        for (chain, refused) in [(false, false), (false, true), (true, false), (true, true)] {
            let drawn = self.links.iter().zip(&layout.bends);
            for (line, bends) in drawn.filter(|(line, _)| (line.chain, line.refused) == (chain, refused)) {
                self.draw_line(line, &frame.way(self, line, bends, &layout), &mut body);
            }
        }
        for (line, bends) in self.links.iter().zip(&layout.bends).filter(|(line, _)| line.chain) {
            self.draw_moment(line, &frame.way(self, line, bends, &layout), &mut body);
        }
        for (node, height) in self.nodes.iter().zip(&layout.nodes) {
            self.draw_node(node, frame.edges[node.column], frame.top + height, &mut body);
        }
        let bottom = frame.top + if self.nodes.is_empty() { 0.0 } else { layout.height + BOX / 2.0 };
        let height = legend::draw(self, frame.width, bottom, &mut body) + MARGIN;
        let (width, label) = (number(frame.width), xml(self.title.lines().next().unwrap_or_default()));
        let height = number(height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n<style>{STYLE}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }

    /// Where the columns stand, below the title, which is drawn.
    fn frame(&self, layout: &Layout, out: &mut String) -> Frame {
        let mut widths = vec![0.0_f64; self.columns];
        for node in &self.nodes {
            widths[node.column] = widths[node.column].max(node.width());
        }
        let gap = (GAP_PER_HEIGHT * layout.height).clamp(GAP, MOST_GAP);
        let drawn = widths.iter().sum::<f64>() + gap * widths.len().saturating_sub(1) as f64;
        let width = (drawn + 2.0 * MARGIN).max(LEAST_WIDTH).ceil();
        let mut left = (width - drawn) / 2.0;
        let mut edges = Vec::with_capacity(widths.len());
        for width in widths {
            edges.push((left, left + width));
            left += width + gap;
        }
        Frame { edges, top: self.draw_title(width, out) + BOX / 2.0 + 18.0, width }
    }

    /// The first line of the title is larger than the others. Returns where it ends.
    fn draw_title(&self, width: f64, out: &mut String) -> f64 {
        let mut y = MARGIN - 6.0;
        for (at, line) in self.title.lines().enumerate() {
            let (class, height, sign) =
                if at == 0 { ("title", TITLE_LINE, TITLE_SIGN) } else { ("note", NOTE_LINE, NOTE_SIGN) };
            for text in wrapped(&plain(line), ((width - 2.0 * MARGIN) / sign) as usize) {
                y += height;
                let y = number(y);
                put(out, format_args!("<text class=\"{class}\" x=\"{MARGIN}\" y=\"{y}\">{}</text>\n", xml(&text)));
            }
        }
        y
    }

    fn draw_line(&self, line: &Line, way: &[[f64; 4]], out: &mut String) {
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
        put(
            out,
            format_args!("<path class=\"{class}\" stroke=\"{colour}\" d=\"{path}\"><title>{told}</title></path>\n"),
        );
    }

    /// The moment of a line of the chain, amid its middle part.
    fn draw_moment(&self, line: &Line, way: &[[f64; 4]], out: &mut String) {
        let [x0, y0, x1, y1] = way[way.len() / 2];
        let text = moment(line.first);
        let (x, y) = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
        let length = width(&text, LABEL_SIGN);
        let width = length + 12.0;
        let colour = if line.refused { REFUSED.to_owned() } else { self.colours(&self.nodes[line.lower]).strong };
        put(
            out,
            format_args!(
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{LABEL}\" rx=\"5\" fill=\"#ffffff\" stroke=\"{colour}\" \
                 stroke-opacity=\".55\"/><text class=\"at\" x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>\n",
                number(x - width / 2.0),
                number(y - LABEL / 2.0),
                number(width),
                number(x - length / 2.0),
                number(y + 3.5),
                number(length),
                xml(&text)
            ),
        );
    }

    fn draw_node(&self, node: &Node, (left, right): (f64, f64), y: f64, out: &mut String) {
        let Colours { pale, strong, ink } = self.colours(node);
        let (fill, text) = if node.customer { (&strong, "#ffffff") } else { (&pale, ink.as_str()) };
        let told = self.node_in_words(node).iter().map(|text| xml(text)).collect::<Vec<_>>().join("\n");
        put(out, format_args!("<g><title>{told}</title>"));
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
        let (x, y) = (left + PADDING, y + 4.2);
        let namespace = plain(&node.identity.namespace);
        let (value, after) = (short(&node.identity.value), width(&namespace, NAMESPACE_SIGN) + SPACE);
        for (class, x, sign, written) in
            [("ns", x, NAMESPACE_SIGN, &*namespace), ("id", x + after, VALUE_SIGN, &*value)]
        {
            let (x, y, length) = (number(x), number(y), number(width(written, sign)));
            put(
                out,
                format_args!(
                    "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" style=\"fill:{text}\" textLength=\"{length}\" \
                     lengthAdjust=\"spacingAndGlyphs\">{}</text>",
                    xml(written)
                ),
            );
        }
        out.push_str("</g>\n");
    }

    fn colours(&self, node: &Node) -> Colours {
        of_person(node.person)
    }
}

impl Frame {
    /// The parts of a line, from column to column: left end and right end of each.
    fn way(&self, picture: &Picture, line: &Line, bends: &[f64], layout: &Layout) -> Vec<[f64; 4]> {
        let first = picture.nodes[line.lower].column;
        let heights: Vec<f64> = std::iter::once(layout.nodes[line.lower])
            .chain(bends.iter().copied())
            .chain(std::iter::once(layout.nodes[line.higher]))
            .map(|height| self.top + height)
            .collect();
        let part =
            |(at, pair): (usize, &[f64])| [self.edges[first + at].1, pair[0], self.edges[first + at + 1].0, pair[1]];
        heights.windows(2).enumerate().map(part).collect()
    }
}

impl Node {
    fn width(&self) -> f64 {
        let namespace = width(&plain(&self.identity.namespace), NAMESPACE_SIGN);
        2.0 * PADDING + namespace + SPACE + width(&short(&self.identity.value), VALUE_SIGN)
    }
}

/// How wide a monospaced text is. It is written into the picture too, so that a viewer without such a font keeps to it.
fn width(text: &str, sign: f64) -> f64 {
    sign * columns(text) as f64
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
