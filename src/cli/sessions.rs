//! `sessions`: who is who?

use backstitch::export;

use crate::cli::Ended;
use crate::cli::args::{Common, SessionsArgs};
use crate::cli::failure::{Failure, tell};
use crate::cli::identity::{meant, shown, unique_name, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::reading::note;

/// Writes a row a session.
pub fn run(common: &Common, sessions: &SessionsArgs) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let view = sessions.read.view(&engine.resolver());
    note(common.quiet, view.reading());
    let rows = match &sessions.customer {
        None => view.sessions()?,
        Some(customer) => {
            let identity = meant(view.namespaces(), customer, None, unique_name(view.namespaces()));
            let rows = view.sessions_of(&identity.namespace, &identity.value)?;
            if rows.is_none() && !common.quiet {
                let (names, same_value) = (view.namespaces(), view.find_value(&identity.value));
                tell(&format!("{} is {}", shown(names, &identity), unknown(names, &same_value)));
            }
            rows.unwrap_or_default()
        }
    };
    let mut out = Output::to(sessions.rows.output.as_deref())?;
    out.with(|to| export::sessions(&rows, sessions.rows.format(), to))?;
    out.finish()
}
