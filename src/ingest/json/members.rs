//! The few fields of an activity that identity needs, found in its line.

use smallvec::SmallVec;

use crate::ingest::fields::{Target, Tree};
use crate::ingest::identities::Found;
use crate::ingest::json::marks::Marks;
use crate::ingest::json::scan::{Fault, Scanner, Span, Token, unescape};
use crate::model::profile::ProfilePart;

/// Where the fields of one line lie. Kept from line to line, so that nothing is allocated for one.
#[derive(Debug)]
pub(super) struct Members {
    pub timestamp: Token,
    pub time: Token,
    pub id: Token,
    /// Namespaces and values of `user.identities`, as they were met; null is no value.
    pub identities: Vec<(Span, Token)>,
    /// Where its segments and traits lie, each a value whole; `None` where there are none, or they are not asked for.
    segments: Option<Span>,
    traits: Option<Span>,
    /// Whether segments and traits are asked for.
    profiles: bool,
    /// Where there are single fields: what each held.
    singles: Vec<Token>,
    /// Whether a span above holds escapes.
    escaped: bool,
    /// The names of the single fields, which no line spells, and behind them the texts of spans with escapes.
    decoded: String,
    /// Where the names of the single fields lie in `decoded`.
    names: Vec<Span>,
    /// Where they end.
    names_end: usize,
}

/// What a value of a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing that is read.
    Skipped,
    Timestamp,
    Time,
    Id,
    /// An identity, whose namespace has a name so long, which begins so many bytes before the value.
    Identity {
        back: u16,
        length: u16,
        escaped: bool,
    },
    /// A single field, by its place.
    Single(u16),
}

/// Where a value begins or ends that is kept whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    SegmentsBegin,
    SegmentsEnd,
    TraitsBegin,
    TraitsEnd,
}

impl Edge {
    /// Whether a value ends here.
    pub fn ends(self) -> bool {
        match self {
            Self::SegmentsEnd | Self::TraitsEnd => true,
            Self::SegmentsBegin | Self::TraitsBegin => false,
        }
    }
}

/// The keys that are looked for; a repeated one counts where it stands last.
enum Key {
    Timestamp,
    Time,
    Id,
    User,
    Other,
}

impl Members {
    pub fn new() -> Self {
        let absent = Token::Absent;
        Self {
            timestamp: absent,
            time: absent,
            id: absent,
            identities: Vec::new(),
            segments: None,
            traits: None,
            profiles: false,
            singles: Vec::new(),
            escaped: false,
            decoded: String::new(),
            names: Vec::new(),
            names_end: 0,
        }
    }

    /// Those of lines that are read by `tree`.
    pub fn of(tree: &Tree) -> Self {
        let mut this = Self::new();
        for name in &tree.names {
            let start = this.decoded.len();
            this.decoded.push_str(name);
            this.names.push(Span::escaped(start, this.decoded.len()));
            this.singles.push(Token::Absent);
        }
        this.names_end = this.decoded.len();
        this
    }

    /// The same, looking for segments and traits, too, where that is `asked`.
    pub fn with_profiles(self, asked: bool) -> Self {
        Self { profiles: asked, ..self }
    }

    /// The segments and traits as they are spelled in `text`.
    #[inline(always)]
    pub fn profile<'t>(&self, text: &'t str) -> ProfilePart<'t> {
        let of = |span: Option<Span>| span.map_or("", |span| span.of(text));
        ProfilePart { segments: of(self.segments), traits: of(self.traits) }
    }

    /// Where segments and traits lie; `None` where what was found does not lie in the text as it stands.
    #[inline(always)]
    pub fn profile_spans(&self) -> Option<[Option<Span>; 2]> {
        (!self.escaped && self.names.is_empty()).then_some([self.segments, self.traits])
    }

    /// Reads the object at `scanner`, which reads `text`: by `tree`, for which these were made, or as an activity.
    #[inline(never)]
    pub fn read(&mut self, tree: Option<&Tree>, text: &str, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        self.scan(tree, text, scanner)?;
        self.finish(text).map_err(|place| {
            scanner.at = place;
            Fault::Surrogate
        })
    }

    /// Finds where the fields of the object at `scanner` lie; what they hold is to be [finished](Self::finish).
    #[inline(always)]
    pub fn scan(&mut self, tree: Option<&Tree>, text: &str, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        self.clear();
        match tree {
            None => self.activity(text, scanner),
            Some(tree) => self.node(tree, 0, 1, text, scanner),
        }
    }

    /// Forgets what was found in the last line.
    #[inline(always)]
    pub fn clear(&mut self) {
        (self.timestamp, self.time, self.id) = (Token::Absent, Token::Absent, Token::Absent);
        (self.segments, self.traits) = (None, None);
        self.identities.clear();
        self.singles.fill(Token::Absent);
        self.escaped = false;
    }

    /// Resolves the escapes of what was found in `text`, and puts single fields among the identities.
    ///
    /// # Errors
    /// The place in `text` of an escape without which there is no text.
    #[inline(always)]
    pub fn finish(&mut self, text: &str) -> Result<(), usize> {
        if self.escaped {
            self.decode(text)?;
        }
        if !self.names.is_empty() {
            // Only now: their names are decoded already.
            let singles = self.names.iter().zip(&self.singles);
            let held = singles.filter(|(_, value)| **value != Token::Absent);
            self.identities.extend(held.map(|(&name, &value)| (name, value)));
        }
        Ok(())
    }

    fn activity(&mut self, text: &str, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            match self.key(text, scanner, key) {
                Key::Timestamp => self.timestamp = self.token(scanner, 1)?,
                Key::Time => self.time = self.token(scanner, 1)?,
                Key::Id => self.id = self.token(scanner, 1)?,
                Key::User => self.user(text, scanner)?,
                Key::Other => scanner.skip(1)?,
            }
            Ok(())
        })
    }

    /// Reads the object of a node, which stands `depth` deep.
    fn node(
        &mut self,
        tree: &Tree,
        node: usize,
        depth: u32,
        text: &str,
        scanner: &mut Scanner<'_>,
    ) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            let target = if key.is_escaped() {
                let mut name = String::new();
                let known = unescape(key.of(text), &mut name);
                known.ok().and_then(|()| tree.target(node, name.as_bytes()))
            } else {
                tree.target(node, scanner.raw(key))
            };
            match target {
                None => scanner.skip(depth)?,
                Some(Target::Timestamp) => self.timestamp = self.token(scanner, depth)?,
                Some(Target::Time) => self.time = self.token(scanner, depth)?,
                Some(Target::Id) => self.id = self.token(scanner, depth)?,
                Some(Target::Single(place)) => {
                    let token = self.token(scanner, depth)?;
                    self.put(place, token);
                }
                Some(Target::Identities) => self.mapping(scanner, depth)?,
                Some(Target::Segments) => self.segments = span(scanner, depth)?,
                Some(Target::Traits) => self.traits = span(scanner, depth)?,
                Some(Target::Inside(inner)) => {
                    // A repeated key counts where it stands last: what an earlier one held is gone.
                    self.forget(tree, inner);
                    if scanner.white() == b'{' {
                        self.node(tree, inner, depth + 1, text, scanner)?;
                    } else {
                        scanner.skip(depth)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// What the value that begins at `start` is for, in a line that was [scanned](Self::scan) and not finished; `None` where something
    /// was found that is neither a text nor a number, and counts.
    pub fn role(&self, start: usize) -> Option<Role> {
        let is = |token: &Token| matches!(token, Token::Text(span) | Token::Number(span) if span.start == start);
        let counts = |token: &Token| matches!(token, Token::Boolean | Token::List | Token::Object);
        if self.singles.iter().chain(self.identities.iter().map(|(_, value)| value)).any(counts) {
            return None;
        }
        Some(if is(&self.timestamp) {
            Role::Timestamp
        } else if is(&self.time) {
            Role::Time
        } else if is(&self.id) {
            Role::Id
        } else if let Some(&(name, _)) = self.identities.iter().find(|(_, value)| is(value)) {
            let length = u16::try_from(name.end - name.start).ok()?;
            Role::Identity {
                back: u16::try_from(start.checked_sub(name.start)?).ok()?,
                length,
                escaped: name.is_escaped(),
            }
        } else if let Some(place) = self.singles.iter().position(is) {
            Role::Single(u16::try_from(place).ok()?)
        } else {
            Role::Skipped
        })
    }

    /// Where segments and traits begin and end, ascending, in a line that was [scanned](Self::scan).
    pub fn edges(&self) -> SmallVec<[(usize, Edge); 4]> {
        let spans = [
            (self.segments, Edge::SegmentsBegin, Edge::SegmentsEnd),
            (self.traits, Edge::TraitsBegin, Edge::TraitsEnd),
        ];
        let ends =
            spans.iter().filter_map(|&(span, begin, end)| span.map(|span| [(span.start, begin), (span.end, end)]));
        let mut edges: SmallVec<[(usize, Edge); 4]> = ends.flatten().collect();
        edges.sort_unstable_by_key(|&(at, _)| at);
        edges
    }

    /// Takes an edge that lies at `at`.
    #[inline(always)]
    pub fn reach(&mut self, edge: Edge, at: usize) {
        let begun = Some(Span::plain(at, at));
        let end = |span: &mut Option<Span>| *span = span.map(|span| Span::plain(span.start, at));
        match edge {
            Edge::SegmentsBegin => self.segments = begun,
            Edge::SegmentsEnd => end(&mut self.segments),
            Edge::TraitsBegin => self.traits = begun,
            Edge::TraitsEnd => end(&mut self.traits),
        }
    }

    /// Takes the value that lies at `span`, for its role.
    #[inline(always)]
    pub fn take(&mut self, role: Role, token: Token, span: Span) {
        match role {
            Role::Skipped => return,
            Role::Timestamp => self.timestamp = token,
            Role::Time => self.time = token,
            Role::Id => self.id = token,
            Role::Identity { back, length, escaped } => {
                let start = span.start - usize::from(back);
                self.escaped |= escaped;
                let end = start + usize::from(length);
                let name = if escaped { Span::escaped(start, end) } else { Span::plain(start, end) };
                self.identities.push((name, token));
            }
            Role::Single(place) => self.put(usize::from(place), token),
        }
        self.escaped |= span.is_escaped();
    }

    /// Forgets what was found at a node and below.
    fn forget(&mut self, tree: &Tree, node: usize) {
        for target in tree.targets(node) {
            match target {
                Target::Timestamp => self.timestamp = Token::Absent,
                Target::Time => self.time = Token::Absent,
                Target::Id => self.id = Token::Absent,
                Target::Single(place) => self.put(place, Token::Absent),
                Target::Identities => self.identities.clear(),
                Target::Segments => self.segments = None,
                Target::Traits => self.traits = None,
                Target::Inside(inner) => self.forget(tree, inner),
            }
        }
    }

    /// Lets a single field of the tree, which these were made for, hold `token`.
    fn put(&mut self, place: usize, token: Token) {
        if let Some(single) = self.singles.get_mut(place) {
            *single = token;
        }
    }

    /// The text at `span` of `text`, its escapes resolved.
    #[inline(always)]
    pub fn text<'t>(&'t self, text: &'t str, span: Span) -> &'t str {
        if span.is_escaped() { span.of(&self.decoded) } else { span.of(text) }
    }

    /// The identities with their texts.
    #[inline(always)]
    pub fn found<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (&'t str, Found<'t>)> + Clone {
        self.identities.iter().map(move |&(namespace, value)| {
            let found = match value {
                Token::Text(span) | Token::Number(span) => Found::Text(self.text(text, span)),
                Token::List => Found::List,
                Token::Object => Found::Object,
                Token::Boolean | Token::Absent => Found::Boolean,
            };
            (self.text(text, namespace), found)
        })
    }

    fn user(&mut self, text: &str, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        self.identities.clear();
        (self.segments, self.traits) = (None, None);
        if scanner.white() != b'{' {
            return scanner.skip(1);
        }
        scanner.object(|scanner, key| {
            if !is(text, scanner, key, b"identities") {
                if self.profiles && is(text, scanner, key, b"segments") {
                    self.segments = span(scanner, 2)?;
                    return Ok(());
                }
                if self.profiles && is(text, scanner, key, b"traits") {
                    self.traits = span(scanner, 2)?;
                    return Ok(());
                }
                return scanner.skip(2);
            }
            self.identities.clear();
            if scanner.white() != b'{' {
                return scanner.skip(2);
            }
            scanner.object(|scanner, namespace| self.identity(scanner, namespace, 3))
        })
    }

    /// The same for an object of identities that other lines have at `depth`. Not shared with the above, which would no
    /// longer be inlined: that took a seventh more time of all decoding.
    fn mapping(&mut self, scanner: &mut Scanner<'_>, depth: u32) -> Result<(), Fault> {
        self.identities.clear();
        if scanner.white() != b'{' {
            return scanner.skip(depth);
        }
        scanner.object(|scanner, namespace| self.identity(scanner, namespace, depth + 1))
    }

    #[inline(always)]
    fn identity(&mut self, scanner: &mut Scanner<'_>, namespace: Span, depth: u32) -> Result<(), Fault> {
        let value = self.token(scanner, depth)?;
        match value {
            Token::Absent => {}
            Token::Text(_) | Token::Number(_) => {
                self.escaped |= namespace.is_escaped();
                self.identities.push((namespace, value));
            }
            // Counted, and its name read by nobody.
            Token::Boolean | Token::List | Token::Object => {
                self.identities.push((Span::plain(0, 0), value));
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn token(&mut self, scanner: &mut Scanner<'_>, depth: u32) -> Result<Token, Fault> {
        let token = scanner.token(depth)?;
        if let Token::Text(span) = token {
            self.escaped |= span.is_escaped();
        }
        Ok(token)
    }

    #[inline(always)]
    fn key(&self, text: &str, scanner: &Scanner<'_>, key: Span) -> Key {
        if key.is_escaped() {
            return escaped_key(text, key);
        }
        key_of(scanner.raw(key))
    }

    /// Moves every text with escapes, resolved, to `decoded`; spans with escapes point there from now on. A `time` beside a
    /// `timestamp` is ignored.
    ///
    /// # Errors
    /// The place in `text` of an escape without which there is no text.
    #[inline(never)]
    fn decode(&mut self, text: &str) -> Result<(), usize> {
        let decoded = &mut self.decoded;
        decoded.truncate(self.names_end);
        let mut decode = |span: &mut Span| {
            if span.is_escaped() {
                let start = decoded.len();
                unescape(span.of(text), decoded).map_err(|place| span.start + place)?;
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
        for value in &mut self.singles {
            if let Token::Text(span) = value {
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

/// Where a value lies that stands within `depth` objects and lists.
#[inline]
fn span(scanner: &mut Scanner<'_>, depth: u32) -> Result<Option<Span>, Fault> {
    scanner.white();
    let start = scanner.at;
    scanner.skip(depth)?;
    Ok(Some(Span::plain(start, scanner.at)))
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
    match unescape(key.of(text), &mut name) {
        Ok(()) => key_of(name.as_bytes()),
        Err(_) => Key::Other,
    }
}

#[inline(always)]
fn is(text: &str, scanner: &Scanner<'_>, key: Span, name: &[u8]) -> bool {
    if !key.is_escaped() {
        return scanner.raw(key) == name;
    }
    let mut plain = String::new();
    unescape(key.of(text), &mut plain).is_ok() && plain.as_bytes() == name
}

/// The keys of the object that `line` is, or begins with, each with whether its value is a list that begins with an object, as long as
/// `each` says true.
pub(super) fn keys(line: &[u8], mut each: impl FnMut(&str, bool) -> bool) {
    // A line that was too long is cut, perhaps within a sign.
    let whole = line.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let mut marks = Marks::default();
    marks.make(whole.as_bytes());
    let mut plain = String::new();
    // What is no object was rejected for that.
    let _ = Scanner::new(whole, &marks).object(|scanner, key| {
        plain.clear();
        let known = unescape(key.of(whole), &mut plain);
        let list = scanner.white() == b'[';
        let objects = list && whole.get(scanner.at + 1..).is_some_and(|rest| rest.trim_start().starts_with('{'));
        if known.is_ok() && !each(&plain, objects) {
            return Err(Fault::After);
        }
        scanner.skip(1)
    });
}
