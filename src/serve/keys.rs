//! Who may send, and who may ask: the file of tracker keys, and that of tokens.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use uuid::Uuid;

use crate::model::error::Result;
use crate::serve::error::ServeError;
use crate::serve::limits::{MAX_BROUGHT_NAMESPACES, MAX_KEY_NAMESPACES, MAX_KEY_REQUESTS, MIN_TOKEN_CHARS};

/// Characters of a key: a UUID with its four hyphens.
const KEY_CHARS: usize = 36;

/// The tracker keys that are known.
#[derive(Debug)]
pub struct Keys(HashMap<Uuid, TrackerKey>);

/// A tracker key.
#[derive(Debug, Default)]
pub struct TrackerKey {
    /// The origins whose pages may send with it; none means all.
    origins: Vec<String>,
    /// Requests that are being served.
    requests: AtomicUsize,
    /// The namespaces that it brought since the start, in lower case.
    namespaces: Mutex<HashSet<String>>,
}

/// What a store has of namespaces.
#[derive(Debug, Clone, Copy)]
pub struct StoreNamespaces {
    /// Whether the one that is asked about is among them.
    pub has_it: bool,
    /// How many there are.
    pub count: usize,
}

/// What is said of a key that a request came with.
#[derive(Debug)]
pub enum KeyFound<'k> {
    /// It is one of them.
    Known(&'k TrackerKey),
    /// It is a UUID, and none of them.
    Unknown,
    /// It is not a UUID.
    NotValid,
}

/// A request of a key, as long as it is served.
#[derive(Debug)]
pub struct KeyRequest<'k>(&'k TrackerKey);

impl Drop for KeyRequest<'_> {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl TrackerKey {
    /// Whether a page of that origin may send.
    pub fn admits(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|known| known == origin)
    }

    /// Whether activities may have identities of a namespace: one that the store has already, or one of few that the key brought. A page whose values
    /// stand where names belong would leave no room for those of others. `look` says what the store has.
    pub fn brings(&self, namespace: &str, look: impl FnOnce() -> StoreNamespaces) -> bool {
        let mut brought = self.namespaces.lock();
        if brought.contains(namespace) {
            return true;
        }
        let store = look();
        if store.has_it {
            return true;
        }
        let has_room = brought.len() < MAX_KEY_NAMESPACES && store.count < MAX_BROUGHT_NAMESPACES;
        if has_room {
            brought.insert(namespace.to_owned());
        }
        has_room
    }

    /// Room for a request, unless so many of the key are being served already.
    pub fn request(&self) -> Option<KeyRequest<'_>> {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let request = KeyRequest(self);
        (before < MAX_KEY_REQUESTS).then_some(request)
    }
}

impl Keys {
    /// Reads a file with a key a line, each followed by the origins whose pages may send with it, if not all may.
    ///
    /// # Errors
    /// When it cannot be read, or a line is something else.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let mut keys = HashMap::new();
        for (line, text) in lines(path, "the tracker keys")? {
            let mut words = text.split_whitespace();
            let key = words.next().and_then(tracker_key).ok_or_else(|| ServeError::Line {
                file: file.clone(),
                line,
                why: "a tracker key is a UUID, such as 6f9619ff-8b86-4d01-b42d-00cf4fc964ff".to_owned(),
            })?;
            let origins: Vec<String> = words.map(str::to_owned).collect();
            if let Some(odd) = origins.iter().find(|origin| !is_origin(origin)) {
                let why = format!("{odd:?} is not an origin: write scheme and host, such as https://shop.example");
                return Err(ServeError::Line { file, line, why }.into());
            }
            keys.insert(key, TrackerKey { origins, ..TrackerKey::default() });
        }
        match keys.is_empty() {
            true => Err(ServeError::Empty { file, what: "tracker key", remedy: "write one a line, a UUID" }.into()),
            false => Ok(Self(keys)),
        }
    }

    /// The key that a request came with.
    pub fn get(&self, text: &str) -> KeyFound<'_> {
        match tracker_key(text) {
            None => KeyFound::NotValid,
            Some(key) => self.0.get(&key).map_or(KeyFound::Unknown, KeyFound::Known),
        }
    }
}

fn tracker_key(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == KEY_CHARS)
}

/// As a browser writes it: no path, not even a slash.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*']) && !host.contains(char::is_uppercase))
}

/// The tokens that open questions and decisions. Kept as hashes, whose comparison takes the same time whatever differs.
#[derive(Debug)]
pub struct Tokens(Vec<blake3::Hash>);

impl Tokens {
    /// Reads a file with a token a line.
    ///
    /// # Errors
    /// When it cannot be read, or a token is short or has white space in it.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let mut tokens = Vec::new();
        for (line, text) in lines(path, "the tokens")? {
            if text.chars().count() < MIN_TOKEN_CHARS || text.contains(char::is_whitespace) {
                let why = format!("a token has at least {MIN_TOKEN_CHARS} characters, and no white space in it");
                return Err(ServeError::Line { file, line, why }.into());
            }
            tokens.push(blake3::hash(text.as_bytes()));
        }
        match tokens.is_empty() {
            true => Err(ServeError::Empty { file, what: "token", remedy: "write one a line" }.into()),
            false => Ok(Self(tokens)),
        }
    }

    /// Whether it is one of them.
    pub fn hold(&self, token: &str) -> bool {
        self.0.contains(&blake3::hash(token.as_bytes()))
    }
}

/// The lines of a file that say something, with their numbers.
fn lines(path: &Path, what: &'static str) -> Result<Vec<(usize, String)>> {
    let fail = |source| ServeError::File { what, file: path.display().to_string(), source };
    let text = fs::read_to_string(path).map_err(fail)?;
    let said = |(number, line): (usize, &str)| {
        let line = line.trim();
        (!line.is_empty() && !line.starts_with('#')).then(|| (number, line.to_owned()))
    };
    Ok((1..).zip(text.lines()).filter_map(said).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

    fn told<T>(read: impl Fn(&Path) -> Result<T>, text: &str) -> Result<T, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string().replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn keys_with_and_without_origins() {
        let other = KEY.replace('6', "7");
        let keys = told(Keys::read, &format!("# shop\n\n {KEY}\n{other} https://a.example http://b:8080\n")).unwrap();
        let admits = |key: &str, origin: &str| match keys.get(key) {
            KeyFound::Known(key) => key.admits(origin),
            other => panic!("{other:?}"),
        };
        assert!(admits(KEY, "https://any.example") && admits(&KEY.to_uppercase(), "null"));
        assert!(admits(&other, "https://a.example") && admits(&other, "http://b:8080"));
        assert!(!admits(&other, "https://a.example.evil") && !admits(&other, "http://a.example"));
        assert!(matches!(keys.get(&KEY.replace('f', "e")), KeyFound::Unknown));
        for text in ["", "x", &KEY.replace('-', ""), &format!("{{{KEY}}}"), &format!("urn:uuid:{KEY}")] {
            assert!(matches!(keys.get(text), KeyFound::NotValid), "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_refused_with_the_line_and_the_remedy() {
        for (text, expected) in [
            ("", "/file holds no tracker key: write one a line, a UUID"),
            ("\nshop", "/file, line 2: a tracker key is a UUID"),
            (&format!("{KEY} *"), "line 1: \"*\" is not an origin: write scheme and host"),
            (&format!("{KEY} https://a.example/"), "not an origin"),
        ] {
            let told = told(Keys::read, text).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
        for (text, expected) in [("# none", "holds no token"), ("short", "line 1: a token has at least 16 characters")]
        {
            let told = told(Tokens::read, text).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
        assert!(Keys::read(Path::new("nowhere")).unwrap_err().to_string().contains("the tracker keys (nowhere)"));
    }

    #[test]
    fn a_token_opens_and_nothing_else_does() {
        let tokens = told(Tokens::read, "# both\n0123456789abcdef\nfedcba9876543210 \n").unwrap();
        assert!(tokens.hold("0123456789abcdef") && tokens.hold("fedcba9876543210"));
        assert!(!tokens.hold("") && !tokens.hold("0123456789abcde") && !tokens.hold("# both"));
    }

    #[test]
    fn a_key_brings_so_many_namespaces_and_any_that_are_known() {
        let key = TrackerKey::default();
        let [new, known] = [false, true].map(|has_it| move || StoreNamespaces { has_it, count: 2 });
        for number in 0..MAX_KEY_NAMESPACES {
            assert!(key.brings(&format!("n{number}"), new));
        }
        assert!(!key.brings("other", new) && key.brings("n0", new) && key.brings("other", known));
        let full = |has_it| move || StoreNamespaces { has_it, count: MAX_BROUGHT_NAMESPACES };
        let other = TrackerKey::default();
        assert!(!other.brings("other", full(false)) && other.brings("other", full(true)), "after a start");
    }

    #[test]
    fn a_key_has_so_many_requests_at_once() {
        let key = TrackerKey::default();
        let held: Vec<_> = (0..MAX_KEY_REQUESTS).map(|_| key.request().unwrap()).collect();
        assert!(key.request().is_none());
        drop(held);
        assert!(key.request().is_some());
    }
}
