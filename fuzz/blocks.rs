//! Blocks of every kind whose checksum holds, whatever they say: read, and merged with themselves.
#![no_main]

use backstitch::store::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((&kind, body)) = bytes.split_first() {
        fuzzing::read_block(kind, body).expect("what can be read can be merged");
    }
});
