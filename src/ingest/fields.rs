//! The few fields of an activity that identity needs, found in its line.

use crate::ingest::scan::{Fault, Scanner, Span, Token, unescape};

/// Where the fields of one line lie. Kept from line to line, so that nothing is allocated for one.
#[derive(Debug)]
pub(super) struct Fields {
    pub timestamp: Token,
    pub time: Token,
    pub id: Token,
    /// Namespaces and values of `user.identities` that are text or numbers, as they were met.
    pub identities: Vec<(Span, Token)>,
    /// Whether a span above holds escapes.
    escaped: bool,
    /// The texts of those that do.
    decoded: String,
}

/// The keys that are looked for; a repeated one counts where it stands last.
enum Key {
    Timestamp,
    Time,
    Id,
    User,
    Other,
}

impl Fields {
    pub fn new() -> Self {
        let absent = Token::Absent;
        Self {
            timestamp: absent,
            time: absent,
            id: absent,
            identities: Vec::new(),
            escaped: false,
            decoded: String::new(),
        }
    }

    /// Reads the object at `scanner`, which reads `text`.
    pub fn read(&mut self, text: &str, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        (self.timestamp, self.time, self.id) = (Token::Absent, Token::Absent, Token::Absent);
        self.identities.clear();
        self.escaped = false;
        scanner.object(|scanner, key| {
            match self.key(text, scanner, key) {
                Key::Timestamp => self.timestamp = self.token(scanner, 1)?,
                Key::Time => self.time = self.token(scanner, 1)?,
                Key::Id => self.id = self.token(scanner, 1)?,
                Key::User => self.user(text, scanner)?,
                Key::Other => scanner.skip(1)?,
            }
            Ok(())
        })?;
        if self.escaped {
            self.decode(text).map_err(|place| {
                scanner.at = place;
                Fault::Surrogate
            })?;
        }
        Ok(())
    }

    /// The text at `span` of `text`, its escapes resolved.
    #[inline(always)]
    pub fn text<'t>(&'t self, text: &'t str, span: Span) -> &'t str {
        if span.escaped { &self.decoded[span.start..span.end] } else { &text[span.start..span.end] }
    }

    fn user(&mut self, text: &str, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        self.identities.clear();
        if scanner.white() != b'{' {
            return scanner.skip(1);
        }
        scanner.object(|scanner, key| {
            if !is(text, scanner, key, b"identities") {
                return scanner.skip(2);
            }
            self.identities.clear();
            if scanner.white() != b'{' {
                return scanner.skip(2);
            }
            scanner.object(|scanner, namespace| {
                let value = self.token(scanner, 3)?;
                if let Token::Text(_) | Token::Number(_) = value {
                    self.escaped |= namespace.escaped;
                    self.identities.push((namespace, value));
                }
                Ok(())
            })
        })
    }

    #[inline(always)]
    fn token(&mut self, scanner: &mut Scanner<'_>, depth: u32) -> Result<Token, Fault> {
        let token = scanner.token(depth)?;
        if let Token::Text(span) = token {
            self.escaped |= span.escaped;
        }
        Ok(token)
    }

    #[inline(always)]
    fn key(&self, text: &str, scanner: &Scanner<'_>, key: Span) -> Key {
        if key.escaped {
            return escaped_key(text, key);
        }
        key_of(scanner.raw(key))
    }

    /// Moves every text with escapes, resolved, to `decoded`; spans with escapes point there from now on. A `time` beside a
    /// `timestamp` is passed over.
    ///
    /// # Errors
    /// The place in `text` of an escape without which there is no text.
    #[inline(never)]
    fn decode(&mut self, text: &str) -> Result<(), usize> {
        let decoded = &mut self.decoded;
        decoded.clear();
        let mut decode = |span: &mut Span| {
            if span.escaped {
                let start = decoded.len();
                unescape(&text[span.start..span.end], decoded).map_err(|place| span.start + place)?;
                (span.start, span.end) = (start, decoded.len());
            }
            Ok::<(), usize>(())
        };
        let moment = if self.timestamp == Token::Absent { &mut self.time } else { &mut self.timestamp };
        for token in [moment, &mut self.id] {
            if let Token::Text(span) = token {
                decode(span)?;
            }
        }
        for (namespace, value) in &mut self.identities {
            decode(namespace)?;
            if let Token::Text(span) = value {
                decode(span)?;
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn key_of(name: &[u8]) -> Key {
    match name {
        b"timestamp" => Key::Timestamp,
        b"time" => Key::Time,
        b"id" => Key::Id,
        b"user" => Key::User,
        _ => Key::Other,
    }
}

#[inline(never)]
fn escaped_key(text: &str, key: Span) -> Key {
    let mut name = String::new();
    match unescape(&text[key.start..key.end], &mut name) {
        Ok(()) => key_of(name.as_bytes()),
        Err(_) => Key::Other,
    }
}

#[inline(always)]
fn is(text: &str, scanner: &Scanner<'_>, key: Span, name: &[u8]) -> bool {
    if !key.escaped {
        return scanner.raw(key) == name;
    }
    let mut plain = String::new();
    unescape(&text[key.start..key.end], &mut plain).is_ok() && plain.as_bytes() == name
}
