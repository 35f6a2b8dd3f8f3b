//! A collector in a process of its own, and the least HTTP that asks it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::place::binary;

/// A key whose pages may be anywhere, and one of one origin.
pub const KEY: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
pub const SHOP_KEY: &str = "0b5e6a58-7d4f-4d2e-9a53-5b8f1b7f4f10";
pub const SHOP: &str = "https://shop.example";

/// A collector that runs.
pub struct Serving {
    pub child: Child,
    pub address: String,
    _stderr: BufReader<std::process::ChildStderr>,
}

impl Serving {
    /// Starts one in `folder`, with more arguments.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        fs::write(folder.join("keys"), format!("{KEY}\n{SHOP_KEY} {SHOP}\n")).expect("written");
        let mut child = Command::new(binary())
            .args(["serve", "--keys", "keys", "--listen", "127.0.0.1:0", "--log", "log", "--store", "store"])
            .args(arguments)
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("it says where it is");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(';').next());
        let address = address.unwrap_or_else(|| panic!("it says where it is: {line}")).to_owned();
        Self { child, address, _stderr: stderr }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        stream.set_nodelay(true).expect("set");
        stream
    }

    /// One request on a connection of its own.
    pub fn ask(&self, request: &str, headers: &str, body: &[u8]) -> Reply {
        ask(&mut BufReader::new(self.connect()), request, headers, body).expect("an answer")
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), "", b"")
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.ask(&format!("POST {path}"), "Content-Type: application/json\r\n", body.as_bytes())
    }

    /// What the system says of its memory, in bytes: `VmHWM`, the most it ever had, or `VmRSS`, what it has.
    pub fn memory(&self, what: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.to_lowercase().starts_with(&format!("{name}: "));
        self.head.lines().find(named).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }
}

/// One request on an open connection; `None` where that breaks off.
pub fn ask(stream: &mut BufReader<TcpStream>, request: &str, headers: &str, body: &[u8]) -> Option<Reply> {
    let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    // A server that refuses early may not read all of it.
    let _ = stream.get_mut().write_all(&[head.as_bytes(), body].concat());
    reply(stream)
}

/// Reads an answer.
pub fn reply(stream: &mut BufReader<TcpStream>) -> Option<Reply> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let status = head.get(9..12)?.parse().ok()?;
    let mut reply = Reply { status, head, body: String::new() };
    let length = reply.header("content-length").map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    reply.body = String::from_utf8_lossy(&body).into_owned();
    Some(reply)
}

/// What a command prints.
pub fn told(folder: &Path, arguments: &str) -> String {
    let output: Output = Command::new(binary())
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The digest of the store, and that of a replay of the log into a new one.
pub fn digests(folder: &Path) -> [String; 2] {
    let _ = fs::remove_dir_all(folder.join("again"));
    let replayed = told(folder, "replay log --store again --json");
    let stored = told(folder, "stats --store store --json");
    [stored, replayed].map(|text| {
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["digest"].as_str().expect("a digest").to_owned()
    })
}

/// The files of the log, in order, as one text.
pub fn log(folder: &Path) -> String {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("log")).expect("the log").map(|entry| entry.expect("readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    files.into_iter().map(|path| fs::read_to_string(path).expect("UTF-8")).collect()
}
