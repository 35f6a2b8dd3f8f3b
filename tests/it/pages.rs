//! Pages about a person: what they say, that nothing of a log is markup in them, and that their policy admits their styles alone.

use backstitch::{Engine, Identity, PersonPage, Picture};

use crate::explain::{TABLET, identity, told};
use crate::harness::replayed;
use crate::oracle::Rules;

fn page(engine: &Engine, asked: &Identity) -> String {
    let page = PersonPage::new(&engine.resolver().view(), asked, "Whose <is> it?\n").expect("readable");
    page.expect("known").html()
}

/// The texts between two marks.
fn between<'t>(text: &'t str, from: &str, to: &str) -> Vec<&'t str> {
    text.split(from).skip(1).map(|rest| rest.split(to).next().expect("an end")).collect()
}

/// SHA-256 in Base64, by the standard's own words: what a browser works out of a style.
fn hash(text: &str) -> String {
    // The first 32 bits of the fractional parts of the roots of the first primes.
    let primes = (2u64..).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0));
    let root = |prime: u64, power: u32| {
        // The largest whole number whose power is at most the prime, shifted by 32 bits for each factor.
        let (mut low, mut high) = (0u128, 1 << 40);
        while high - low > 1 {
            let middle = (low + high) / 2;
            let fits = middle.pow(power) <= u128::from(prime) << (32 * power);
            if fits { low = middle } else { high = middle }
        }
        low as u32
    };
    let primes: Vec<u64> = primes.take(64).collect();
    let rounds: Vec<u32> = primes.iter().map(|&prime| root(prime, 3)).collect();
    let mut state: Vec<u32> = primes.iter().take(8).map(|&prime| root(prime, 2)).collect();
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0x80);
    bytes.resize((bytes.len() + 8).next_multiple_of(64) - 8, 0);
    bytes.extend((text.len() as u64 * 8).to_be_bytes());
    for block in bytes.chunks_exact(64) {
        let mut words: Vec<u32> =
            block.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().expect("four"))).collect();
        for at in 16..64 {
            let (a, b) = (words[at - 15], words[at - 2]);
            let (a, b) = (
                a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3),
                b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10),
            );
            words.push(words[at - 16].wrapping_add(a).wrapping_add(words[at - 7]).wrapping_add(b));
        }
        let mut s = state.clone();
        for (word, round) in words.iter().zip(&rounds) {
            let (e, a) = (s[4], s[0]);
            let one = [
                s[7],
                e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25),
                (e & s[5]) ^ (!e & s[6]),
                *round,
                *word,
            ]
            .into_iter()
            .fold(0, u32::wrapping_add);
            let two = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22))
                .wrapping_add((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
            s.rotate_right(1);
            s[0] = one.wrapping_add(two);
            s[4] = s[4].wrapping_add(one);
        }
        state.iter_mut().zip(&s).for_each(|(all, own)| *all = all.wrapping_add(*own));
    }
    let bytes: Vec<u8> = state.into_iter().flat_map(u32::to_be_bytes).collect();
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let word = bytes.iter().chain([&0, &0]).take(3).fold(0, |word, byte| word << 8 | usize::from(*byte));
        let digit = |at: usize| if at <= bytes.len() { digits[word >> (18 - 6 * at) & 63] as char } else { '=' };
        (0..4).map(digit).collect::<String>()
    };
    format!("sha256-{}", bytes.chunks(3).map(group).collect::<String>())
}

#[test]
fn hashes_are_those_of_the_standard() {
    assert_eq!(hash("abc"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    assert_eq!(hash(&"a".repeat(64)), "sha256-/+BU/nrgy23GXDr5th1SCfQ5hR20PQulmXM33xVGaOs=");
}

#[test]
fn the_policy_of_a_page_admits_its_two_styles_and_nothing_else() {
    let html = page(&told(TABLET), &identity("device:d"));
    let styles: Vec<String> = between(&html, "<style>", "</style>").into_iter().map(hash).collect();
    assert_eq!(styles.len(), 2, "its own, and that of the picture");
    assert_eq!(styles[1], Picture::STYLE_HASH, "write it into the constant");
    let policy = format!("default-src 'none'; style-src '{}' '{}'", styles[0], styles[1]);
    assert_eq!(between(&html, "Content-Security-Policy\" content=\"", "\""), [policy], "write it into the constant");
    for absent in ["<script", " style=", "href=", "src=", "url(", "@import"] {
        assert!(!html.contains(absent), "{absent}");
    }
}

#[test]
fn a_page_says_whose_it_is_under_each_policy_and_draws_each_event_for_it() {
    let engine = told(TABLET);
    let html = page(&engine, &identity("device:d"));
    assert!(html.contains("<h1>Whose &lt;is&gt; it?</h1>"), "{html}");
    let view = engine.resolver().view();
    let events = view.timeline("device", "d").expect("readable").expect("known").len();
    let drawn = between(&html, "<g><title>", "</g>");
    assert_eq!(drawn.len(), events);
    for event in drawn {
        for policy in 0..4 {
            let times =
                event.matches(&format!(" p{policy}\"")).count() + event.matches(&format!(" p{policy} ")).count();
            assert_eq!(times, 1, "once for p{policy}: {event}");
        }
    }
    assert_eq!(html.matches("type=\"radio\"").count(), 4);
    assert_eq!(html.matches("<svg ").count(), 4 * 5 + 2, "what the shapes mean, the timeline and the graph");
    assert_eq!(html, page(&engine, &identity("device:d")), "the same bytes");
}

#[test]
fn nothing_that_a_log_says_is_markup() {
    let evil = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\"'&";
    let line = |at: u64, identities: serde_json::Value| {
        let user = serde_json::json!({"identities": identities, "segments": [evil], "traits": {evil: evil}});
        serde_json::json!({"timestamp": at, "id": format!("{evil}{at}"), "user": user}).to_string() + "\n"
    };
    let log = line(1, serde_json::json!({"sessionId": evil, "ecommerceId": evil}))
        + &line(2, serde_json::json!({"sessionId": evil, "x<y>": evil}));
    let engine = replayed(&Rules::default(), &log);
    let asked = Identity::new("sessionId", evil);
    let html = page(&engine, &asked);
    for absent in ["<script", "<img", "onerror=alert(1)>", "\u{202e}"] {
        assert!(!html.contains(absent), "{absent}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn an_identity_that_no_event_carries_has_no_page() {
    let view = told(TABLET).resolver().view();
    assert!(PersonPage::new(&view, &identity("device:nobody"), "x").expect("readable").is_none());
}
