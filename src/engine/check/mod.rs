//! Does the store still hold what follows from its events, and what if not?

pub mod derive;
pub mod loss;
pub mod repair;
pub mod salvage;
pub mod verify;

use std::path::Path;

use crate::engine::check::loss::Repaired;
use crate::model::error::{Error, ErrorKind};
use crate::store::{Missing, Store};

/// Repairs the store at `path`; `accept` says that it may be older than its last commit. Cut short, it is to be done again, and loses
/// nothing more.
pub(crate) fn repair_at(path: &Path, accept: bool) -> Result<(Store, Repaired), Error> {
    let opened = match accept {
        true => Store::accept(path),
        false => Store::open_damaged(path).map(|store| (store, Missing::default())),
    };
    let missing = opened.as_ref().map_or(Missing::default(), |opened| opened.1);
    let repaired = match opened.map_err(Error::from).and_then(|(store, missing)| repair::run(store, missing)) {
        Err(error) if error.kind() == ErrorKind::Damaged => None,
        done => Some(done?.1),
    };
    // What the database wrote behind damage of its log is gone when it is opened again, so a repair counts once that has been done.
    let again = Store::open(path, None).map_err(Error::from);
    let went_back = |error: &Error| match error.kind() {
        ErrorKind::Damaged | ErrorKind::Older => true,
        ErrorKind::InUse => Store::is_held_by_a_panic(),
        _ => false,
    };
    match (repaired, again) {
        (Some(repaired), Ok(store)) => Ok((store, repaired)),
        (Some(_), Err(error)) if !went_back(&error) => Err(error),
        (None, Err(error)) if error.kind() == ErrorKind::Older && !accept => Err(error),
        (repaired, again) => {
            drop(again);
            let (store, found) = salvage::run(path, accept || repaired.is_some())?;
            Ok((store, found.without(missing)))
        }
    }
}
