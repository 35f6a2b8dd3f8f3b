//! What a figure was measured on: without it, a figure says nothing.

/// Prints the name of the processor and how many threads it runs.
pub fn print() {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{}, {threads} threads", name.trim_start_matches([' ', '\t', ':']));
}
