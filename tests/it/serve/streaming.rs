//! The changes as they come, to clients that follow them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use backstitch::serve::limits::MAX_STREAMS;
use serde_json::Value;

use super::client::{KEY, Serving};

/// A client that follows the changes.
struct Following(BufReader<TcpStream>);

impl Following {
    /// Asks, and reads the head of the answer: its status, and whether it is a stream.
    fn ask(serving: &Serving, path: &str, headers: &str) -> (Self, u16, bool) {
        let mut stream = serving.connect();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut this = Self(BufReader::new(stream));
        let (mut status, mut streams) = (0, false);
        loop {
            let line = this.line();
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().expect("a number");
            }
            streams |= line.trim() == "content-type: text/event-stream";
            if line.trim().is_empty() {
                return (this, status, streams);
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line
    }

    /// The next change: its position, and what it says.
    fn change(&mut self) -> (String, Value) {
        let mut position = String::new();
        loop {
            let line = self.line();
            if let Some(id) = line.strip_prefix("id: ") {
                position = id.trim().to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return (position, serde_json::from_str(data).expect("JSON"));
            }
            assert!(!line.is_empty(), "it ended");
        }
    }
}

fn act(serving: &Serving, session: &str) {
    let body = format!(r#"{{"user":{{"identities":{{"sessionId":"{session}"}}}}}}"#);
    assert_eq!(serving.post(&format!("/{KEY}?wait=1"), &body).status, 200);
}

#[test]
fn a_client_that_follows_gets_each_change_once_also_after_its_connection_broke_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    act(&serving, "s1");
    let (mut following, status, streams) = Following::ask(&serving, "/v1/changes", "");
    assert!(status == 200 && streams);
    assert_eq!(following.change().1["session"], "s1");
    act(&serving, "s2");
    let (position, change) = following.change();
    assert_eq!((&change["session"], change["position"].as_str()), (&Value::from("s2"), Some(&*position)));
    drop(following);
    act(&serving, "s3");
    let (mut again, ..) = Following::ask(&serving, "/v1/changes?since=0", &format!("Last-Event-ID: {position}\r\n"));
    assert_eq!(again.change().1["session"], "s3");
    let (mut from, ..) = Following::ask(&serving, &format!("/v1/changes?since={position}"), "");
    assert_eq!(from.change().1["session"], "s3");
    for odd in ["/v1/changes?since=99", "/v1/changes?limit=1", "/v1/changes?since=x"] {
        assert_eq!(Following::ask(&serving, odd, "").1, 400, "{odd}");
    }
    assert_eq!(Following::ask(&serving, "/v1/changes", "Last-Event-ID: x\r\n").1, 400);
    // None of those that still follow keeps it from ending.
    let start = Instant::now();
    serving.stop();
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn so_many_follow_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let mut held: Vec<Following> = Vec::new();
    for _ in 0..MAX_STREAMS {
        let (following, status, _) = Following::ask(&serving, "/v1/changes", "");
        assert_eq!(status, 200);
        held.push(following);
    }
    assert_eq!(Following::ask(&serving, "/v1/changes", "").1, 503);
    act(&serving, "s");
    assert!(held.iter_mut().all(|following| following.change().1["session"] == "s"));
    held.clear();
    let start = Instant::now();
    // One that is gone is noticed when something is sent to it.
    while Following::ask(&serving, "/v1/changes", "").1 == 503 {
        act(&serving, &format!("{:?}", start.elapsed()));
        assert!(start.elapsed() < Duration::from_secs(30), "no room again");
    }
}
