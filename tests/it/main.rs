//! All integration tests, in one binary.

mod history; // random logs in which everything collides
mod oracle; // what is true, worked out naively from the design: the judge of all below
mod oracle_checks; // the judge judged: true figures, worked examples, a second formulation
mod real; // where the real log lies
