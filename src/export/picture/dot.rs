//! The picture for Graphviz.

use petgraph::dot::{Config, Dot};
use petgraph::graph::{EdgeReference, NodeIndex, UnGraph};

use crate::export::picture::colour::of_person;
use crate::export::picture::label::moment;
use crate::export::picture::pen::REFUSED;
use crate::export::picture::{DrawnIdentity, DrawnLink, Picture};
use crate::model::writing::visible;

impl Picture {
    /// The picture in the language of Graphviz: `dot -Tsvg`. The same picture gives the same bytes.
    pub fn dot(&self) -> String {
        let mut graph: UnGraph<&DrawnIdentity, &DrawnLink> = UnGraph::with_capacity(self.nodes.len(), self.links.len());
        for node in &self.nodes {
            graph.add_node(node);
        }
        for line in &self.links {
            graph.add_edge(NodeIndex::new(line.lower), NodeIndex::new(line.higher), line);
        }
        type Content<'p> = UnGraph<&'p DrawnIdentity, &'p DrawnLink>;
        let of_line = |_: &Content<'_>, edge: EdgeReference<'_, &DrawnLink>| self.of_line(edge.weight());
        let of_node = |_: &Content<'_>, (_, node): (NodeIndex, &&DrawnIdentity)| self.of_node(node);
        let config = [Config::GraphContentOnly, Config::NodeNoLabel, Config::EdgeNoLabel];
        let content = Dot::with_attr_getters(&graph, &config, &of_line, &of_node);
        let title: Vec<String> = self.title.lines().map(str::to_owned).chain(self.left_out_in_words()).collect();
        let title = title.join("\n");
        format!(
            "graph backstitch {{\n    graph [ label={} labelloc=t rankdir=LR ranksep=2 nodesep=0.2 fontname=\"sans-serif\" ]\n    \
             node [ shape=box style=\"filled,rounded\" fontname=\"monospace\" fontsize=11 ]\n    \
             edge [ fontname=\"monospace\" fontsize=9 ]\n{content:?}{}}}\n",
            quoted(&title),
            self.ranks()
        )
    }

    fn of_node(&self, node: &DrawnIdentity) -> String {
        let colours = of_person(node.person);
        let (fill, text) = if node.customer { (&colours.strong, "#ffffff") } else { (&colours.pale, &*colours.ink) };
        let mark = self.mark(node.person).map(|mark| format!("{mark} · ")).unwrap_or_default();
        let label = format!("{mark}{}\n{}", node.namespace, node.label);
        let asked = if node.asked { " penwidth=3 peripheries=2" } else { "" };
        format!(
            "label={} tooltip={} color=\"{}\" fillcolor=\"{fill}\" fontcolor=\"{text}\"{asked}",
            quoted(&label),
            quoted(&self.node_in_words(node).join("\n")),
            colours.strong
        )
    }

    fn of_line(&self, line: &DrawnLink) -> String {
        let strong = of_person(self.nodes[line.lower].person).strong;
        let colour = if line.refused { REFUSED } else { &strong };
        let style = if line.refused { " style=dashed" } else { "" };
        let chain = if line.chain {
            format!(" penwidth=4 weight=10 label={}", quoted(&moment(line.first)))
        } else {
            String::new()
        };
        format!("tooltip={} color=\"{colour}\"{style}{chain}", quoted(&self.line_in_words(line).join("\n")))
    }

    /// Identities of one level stand in one column.
    fn ranks(&self) -> String {
        let column = |column: usize| {
            let nodes = self.nodes.iter().enumerate().filter(|(_, node)| node.column == column);
            let nodes: Vec<String> = nodes.map(|(at, _)| at.to_string()).collect();
            format!("    {{ rank=same; {} }}\n", nodes.join("; "))
        };
        (0..self.columns).map(column).collect()
    }
}

/// A text in quotes. Besides quotes and backslashes there are entities in it, as in HTML.
fn quoted(text: &str) -> String {
    let lines =
        text.split('\n').map(|line| visible(line).replace('\\', r"\\").replace('"', "\\\"").replace('&', "&amp;"));
    format!("\"{}\"", lines.collect::<Vec<_>>().join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_quotes_stays_in_them() {
        assert_eq!(quoted("a\"b\\c\n&lt;\u{1b}"), "\"a\\\"b\\\\c\\n&amp;lt;\\\\u{1b}\"");
    }
}
