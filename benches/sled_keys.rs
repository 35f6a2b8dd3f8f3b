//! The rival that keeps a key in sled for each identity and each event: the plain way to use an embedded database.
//!
//! `cargo bench --bench sled_keys -- LOG FOLDER` replays a log into a new folder and prints the counts as JSON. Without a log there is
//! nothing to do.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};

use serde::Deserialize;

#[derive(Deserialize)]
struct Activity {
    timestamp: String,
    user: User,
}

#[derive(Deserialize)]
struct User {
    identities: Identities,
}

#[derive(Deserialize)]
struct Identities {
    #[serde(rename = "sessionId")]
    session: Option<String>,
    #[serde(rename = "ecommerceId")]
    customer: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [log, folder] = &paths[..] else { return Ok(()) };
    let db = sled::open(folder)?;
    let (logins, customers, events) = (db.open_tree("logins")?, db.open_tree("customers")?, db.open_tree("events")?);
    for (number, line) in (0_u64..).zip(BufReader::new(File::open(log)?).lines()) {
        let line = line?;
        let Activity { timestamp, user: User { identities } } = serde_json::from_str(&line)?;
        let Identities { session, customer } = identities;
        if let Some(customer) = &customer {
            customers.insert(customer, &[])?;
        }
        if let (Some(session), Some(customer)) = (&session, &customer) {
            let login = format!("{timestamp}\0{customer}");
            if logins.get(session)?.is_none_or(|known| login.as_bytes() < &known[..]) {
                logins.insert(session, login.as_bytes())?;
            }
        }
        let kept = format!("{timestamp}\0{}\0{}", session.unwrap_or_default(), customer.unwrap_or_default());
        events.insert(number.to_be_bytes(), kept.as_bytes())?;
    }
    db.flush()?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        let (_, kept) = event?;
        let kept = String::from_utf8(kept.to_vec())?;
        let [timestamp, session, customer] = kept.split('\0').collect::<Vec<_>>()[..] else { continue };
        let login = logins.get(session)?;
        let kind = match login {
            _ if !customer.is_empty() => "direct",
            None => "anonymous",
            Some(login) if timestamp.as_bytes() < login.split(|&byte| byte == 0).next().unwrap_or_default() => {
                "retroactive"
            }
            Some(_) => "carried",
        };
        *counts.entry(kind).or_default() += 1;
    }
    counts.insert("linked_sessions", logins.len() as u64);
    counts.insert("customers", customers.len() as u64);
    println!("{}", serde_json::to_string(&counts)?);
    Ok(())
}
