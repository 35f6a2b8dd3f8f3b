//! What the page says, held against the program: the examples, and the bounds.

use backstitch::serve::limits;

use super::client::Serving;

const PAGE: &str = include_str!("../../../docs/collector.md");

#[test]
fn the_examples_of_the_page_are_what_the_collector_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let blocks = PAGE.split("```http\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    let mut lines = lines.into_iter();
    let mut asked = 0;
    while let Some(request) = lines.next() {
        let body = if request.starts_with("POST") { lines.next().expect("a body") } else { "" };
        let reply = serving.ask(request, "Content-Type: application/json\r\n", body.as_bytes());
        assert_eq!(lines.next().expect("an answer"), format!("{} {}", reply.status, reply.body), "{request}");
        asked += 1;
    }
    assert_eq!(asked, 6);
}

#[test]
fn the_bounds_of_the_page_are_those_of_the_program() {
    let bounds = [
        ("MAX_BODY_BYTES", limits::MAX_BODY_BYTES as u64),
        ("MAX_UNPACKED_BYTES", limits::MAX_UNPACKED_BYTES as u64),
        ("MAX_ACTIVITIES", limits::MAX_ACTIVITIES as u64),
        ("MAX_HELD_BYTES", limits::MAX_HELD_BYTES as u64),
        ("MAX_HEAD_BYTES", limits::MAX_HEAD_BYTES as u64),
        ("MAX_HEADERS", limits::MAX_HEADERS as u64),
        ("MAX_CONNECTIONS", limits::MAX_CONNECTIONS as u64),
        ("MAX_KEY_REQUESTS", limits::MAX_KEY_REQUESTS as u64),
        ("MAX_KEY_NAMESPACES", limits::MAX_KEY_NAMESPACES as u64),
        ("MAX_BROUGHT_NAMESPACES", limits::MAX_BROUGHT_NAMESPACES as u64),
        ("MAX_STREAMS", limits::MAX_STREAMS as u64),
        ("HEAD_TIME", limits::HEAD_TIME.as_secs()),
        ("BODY_TIME", limits::BODY_TIME.as_secs()),
        ("CONNECTION_TIME", limits::CONNECTION_TIME.as_secs()),
    ];
    for (name, bound) in bounds {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}` "))).expect("a row");
        let number = row.split('|').nth(2).and_then(|cell| cell.split_whitespace().next()).expect("a number");
        assert_eq!(number.replace(',', ""), bound.to_string(), "{name}");
    }
}
