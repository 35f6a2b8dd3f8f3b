//! Devices that a whole town shares, customers with a thousand devices, and sessions cut by batches at the worst places.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Manner, assert_agrees, events, in_memory, replay, text, totals};
use crate::oracle::{Rules, judge};

fn line(session: &str, at: i64, customer: Option<u32>) -> String {
    let customer = customer.map_or(String::new(), |customer| format!(r#","ecommerceId":"{customer}""#));
    format!(r#"{{"timestamp":{at},"user":{{"identities":{{"sessionId":"{session}"{customer}}}}}}}"#)
}

fn files(folder: &Path, pieces: &[Vec<String>]) -> Vec<PathBuf> {
    let file = |(at, lines): (usize, &Vec<String>)| {
        let path = folder.join(format!("{at:04}"));
        fs::write(&path, text(lines)).expect("written");
        path
    };
    pieces.iter().enumerate().map(file).collect()
}

/// The pieces as they are, and last to first: then each batch brings an earlier owner.
fn both_ways(pieces: &[Vec<String>], mut check: impl FnMut(&backstitch::engine::Engine)) {
    for reversed in [false, true] {
        let mut pieces = pieces.to_vec();
        if reversed {
            pieces.reverse();
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut engine = in_memory(&Rules::default());
        replay(&mut engine, &files(folder.path(), &pieces), Manner { batch_events: 1, ..Manner::default() });
        check(&engine);
        assert!(engine.verify().expect("readable").is_sound());
    }
}

#[test]
fn a_session_with_three_thousand_customers() {
    const CUSTOMERS: u32 = 3_000;
    let mut lines: Vec<String> = (0..CUSTOMERS).map(|at| line("kiosk", i64::from(at) * 10, Some(at + 1))).collect();
    // Between the logins, one anonymous event each; and one before them all.
    lines.extend((0..CUSTOMERS).map(|at| line("kiosk", i64::from(at) * 10 - 5, None)));
    let pieces: Vec<Vec<String>> =
        (0..12).map(|piece| lines.iter().skip(piece).step_by(12).cloned().collect()).collect();
    both_ways(&pieces, |engine| {
        let customers = u64::from(CUSTOMERS);
        // Customer 1 was first: what came before is its, and all between the others' logins.
        let expected = [customers, 1, customers - 1, 0, 1, customers, 1, 1];
        assert_eq!(totals(engine).0, expected);
        let kiosk = engine.resolver().resolve("kiosk").expect("known");
        assert_eq!((kiosk.customer.as_deref(), kiosk.group.len()), (Some("1"), 2));
        assert_eq!(engine.resolver().view().graph().links().as_slice().len(), CUSTOMERS as usize);
        assert_eq!(events(engine, "ecommerceId", "1").expect("in order").len(), CUSTOMERS as usize + 1);
        assert_eq!(events(engine, "ecommerceId", "77").expect("in order").len(), 1);
    });
}

#[test]
fn a_customer_with_twenty_thousand_sessions() {
    const SESSIONS: u32 = 20_000;
    let of = |number: u32| {
        let (session, at) = (format!("s{number}"), i64::from(number) * 10);
        [line(&session, at, None), line(&session, at + 1, Some(7)), line(&session, at + 2, None)]
    };
    let pieces: Vec<Vec<String>> = (0..10).map(|piece| (piece..SESSIONS).step_by(10).flat_map(of).collect()).collect();
    both_ways(&pieces, |engine| {
        let sessions = u64::from(SESSIONS);
        assert_eq!(totals(engine).0, [sessions, sessions, sessions, 0, sessions, 1, sessions, 0]);
        let customer = engine.resolver().resolve_in("ecommerceId", "7").expect("known");
        assert_eq!(customer.group.len(), SESSIONS as usize + 1);
        let view = engine.resolver().view();
        let rows = view.sessions_of("ecommerceId", "7").expect("readable").expect("known");
        assert!(rows.len() == SESSIONS as usize && rows.iter().all(|row| row.events == 3));
        assert_eq!(events(engine, "sessionId", "s19999").expect("in order").len(), 3 * SESSIONS as usize);
    });
}

/// One session at three moments only, in eleven files that overlap: every batch ends within it, every tie is cut, and
/// every line but some comes twice or three times.
#[test]
fn batches_that_cut_a_session_at_its_ties() {
    let lines: Vec<String> = (0..66)
        .map(|number: u32| {
            let id = if number.is_multiple_of(4) { format!(r#""id":"e{}","#, number / 8) } else { String::new() };
            let customer = (number.is_multiple_of(5)).then_some(number % 3);
            line("s", i64::from(number % 3), customer).replacen('{', &format!("{{{id}\"n\":{},", number / 2), 1)
        })
        .collect();
    let pieces: Vec<Vec<String>> =
        (0..11).map(|piece| lines.iter().cycle().skip(piece * 6).take(6 + piece).cloned().collect()).collect();
    let verdict = judge(&Rules::default(), &[(String::new(), pieces.concat())]);
    assert!(verdict.counts.duplicate > 20 && verdict.counts.accepted > 40, "{:?}", verdict.counts);
    both_ways(&pieces, |engine| assert_agrees(engine, &verdict));
}
