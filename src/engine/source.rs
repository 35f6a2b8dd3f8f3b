//! Sources by the names that callers give them.

use std::collections::HashSet;

use crate::engine::error::EngineError;
use crate::model::limits::MAX_SOURCE_NAME_BYTES;
use crate::model::source::{Source, SourceId};

/// Checks names that a caller gave to several sources.
pub fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), EngineError> {
    let mut known = HashSet::new();
    for name in names {
        check_name(name)?;
        if !known.insert(name) {
            return Err(EngineError::SourceTwice { name: name.to_owned() });
        }
    }
    Ok(())
}

/// Checks the name that a caller gave to a source.
pub fn check_name(name: &str) -> Result<(), EngineError> {
    match name.trim().is_empty() || name.len() > MAX_SOURCE_NAME_BYTES {
        true => Err(EngineError::SourceName),
        false => Ok(()),
    }
}

/// The source of that name among those that the store knows, retracted ones included.
pub fn find<'s>(sources: &'s [Source], name: &str) -> Option<(SourceId, &'s Source)> {
    (0..).map(SourceId).zip(sources).find(|(_, source)| source.name == name)
}
