//! Lines of activities: the decoder and the oracle, which has another JSON parser, say the same of each.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, unused_imports, reason = "the judge can do more than read lines")]
#[path = "../tests/it/oracle/mod.rs"]
mod oracle;
#[path = "../tests/it/said.rs"]
mod said;

fuzz_target!(|bytes: &[u8]| {
    // Arrays are read otherwise by the oracle (`logs` has them).
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"["));
    let lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    for (line, said) in lines.iter().zip(said::decoded(&lines)) {
        assert_eq!(said, said::judged(line), "{:?}", String::from_utf8_lossy(line));
    }
});
