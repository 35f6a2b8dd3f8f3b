//! The explorer: a page that shows people, for a browser. Its parts stand in `explorer/` and are one file in the binary.
//!
//! It asks the routes of its own origin and nothing else. What the store holds is never markup in it: the page writes text, and its
//! policy lets no script run but its own.

/// Where the page has the word that names its own script and style.
const NONCE: &str = "{nonce}";

const SOURCE: &str = concat!(
    include_str!("explorer/head.html"),
    "<style nonce=\"{nonce}\">\n",
    include_str!("explorer/style.css"),
    "</style>\n</head>\n",
    include_str!("explorer/body.html"),
    "<script type=\"module\" nonce=\"{nonce}\">\n",
    include_str!("explorer/base.js"),
    include_str!("explorer/timeline.js"),
    include_str!("explorer/person.js"),
    include_str!("explorer/decide.js"),
    include_str!("explorer/views.js"),
    "</script>\n</html>\n",
);

/// Bytes of the page at most: it shall be there at once, also on a phone.
pub const MAX_PAGE_BYTES: usize = 60_000;

/// The page as it is sent: without what only a reader of its source needs.
const PAGE: &[u8] = &packed::<{ packed::<0>(SOURCE.as_bytes()).1 }>(SOURCE.as_bytes()).0;

const _: () = assert!(PAGE.len() <= MAX_PAGE_BYTES, "the page of the explorer is too large");

/// A text without the space before its lines, and without lines that are empty or only a comment: the first `N` bytes of it, and how many there
/// are in all. Worked out by the compiler.
const fn packed<const N: usize>(text: &[u8]) -> ([u8; N], usize) {
    let (mut out, mut written, mut at) = ([0; N], 0, 0);
    while at < text.len() {
        while at < text.len() && matches!(text[at], b' ' | b'\n') {
            at += 1;
        }
        let skip = at + 1 < text.len() && text[at] == b'/' && text[at + 1] == b'/';
        let mut ended = false;
        while at < text.len() && !ended {
            if !skip {
                if written < N {
                    out[written] = text[at];
                }
                written += 1;
            }
            ended = text[at] == b'\n';
            at += 1;
        }
    }
    (out, written)
}

/// The page, and the policy that it is sent with; `None` where the operating system has no random bytes.
pub fn page() -> Option<(String, String)> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let nonce = format!("{:032x}", u128::from_be_bytes(bytes));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let page = std::str::from_utf8(PAGE).ok()?;
    Some((page.replace(NONCE, &nonce), policy))
}
