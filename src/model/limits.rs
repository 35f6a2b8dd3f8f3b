//! Every limit, with its reason. This is their one home; the table in `docs/limits.md` is held to it by a test.

/// Bytes of one line, or of one value where these are not one a line. An activity has about 360; one a thousand times as long is a mistake upstream,
/// and a bound here is what keeps a file without line ends from filling the memory.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// Bytes of one identity value after trimming. Longer than any e-mail address or token in use; keeps an identity inside a block.
pub const MAX_VALUE_BYTES: usize = 1 << 10;

/// Bytes of one namespace name. Names are words of a schema, not data.
pub const MAX_NAMESPACE_BYTES: usize = 64;

/// Namespaces of one store. A log whose *values* stand where names belong would otherwise make one a line. Those that a
/// configuration names have places of their own, as many again.
pub const MAX_NAMESPACES: usize = 256;

/// Identities of one event. Each lower one makes a link; more than a handful is a mistake upstream.
pub const MAX_IDENTITIES_PER_EVENT: usize = 64;

/// Bytes of an event's `id`. UUIDs have 36; a longer one is kept by nobody as a key.
pub const MAX_EVENT_ID_BYTES: usize = 1 << 10;

/// Segments of one event. A person is in a handful; keeps the segments and traits of an event inside a block.
pub const MAX_SEGMENTS_PER_EVENT: usize = 128;

/// Bytes of one segment, as JSON without white space. Segments are names, as namespaces are, in any language.
pub const MAX_SEGMENT_BYTES: usize = 256;

/// Traits of one event. A form has a dozen fields; keeps the segments and traits of an event inside a block.
pub const MAX_TRAITS_PER_EVENT: usize = 64;

/// Bytes of the name of a trait, as JSON. Names are words of a schema, not data.
pub const MAX_TRAIT_NAME_BYTES: usize = 128;

/// Bytes of the value of a trait, as JSON without white space: as many as of an identity value.
pub const MAX_TRAIT_BYTES: usize = 1 << 10;

/// Values of a trait, or segments, that are united by the rule `union`: the first by their bytes. A person has a handful; a trait that counts
/// something would otherwise fill the memory.
pub const MAX_UNION_VALUES: usize = 1_000;

/// Distinct values of a trait, or lists of segments, among which the rule `most-frequent` chooses: the first by their bytes. A trait that
/// has more is a counter or a time, of which none is told often; what is left out is counted.
pub const MAX_COUNTED_VALUES: usize = 10_000;

/// Bytes of distinct segments and traits of a batch, and of event ids that are texts, from which on it is committed: a log whose traits differ on every
/// event, or whose ids are long, would otherwise fill the memory.
pub const MAX_BATCH_TEXT_BYTES: usize = 64 << 20;

/// Bytes of the name of a source, where the caller gives it. The longest path that Linux opens; keeps a source inside a block.
pub const MAX_SOURCE_NAME_BYTES: usize = 4 << 10;

/// Bytes of the position that comes with a push: the offsets of a thousand partitions. Every commit that moves it writes it again.
pub const MAX_POSITION_BYTES: usize = 16 << 10;

/// Bytes of a line of exported facts. The longest by far name some 10,000 sources of one event.
pub const MAX_FACT_BYTES: usize = 1 << 20;

/// Identities of one store: ids are 32 bits wide, and the top bit is kept free to tag them.
pub const MAX_IDENTITIES: usize = (1 << 31) - 1;

/// Keys of the hashes of erased and opted-out identities in one store: its own, and those of stores whose facts it took in. Each costs a hash
/// for every identity of a chunk.
pub const MAX_BAR_KEYS: usize = 16;

/// Identities that are erased at once, those of whole persons among them: each is looked for in every text of the store.
pub const MAX_FORGOTTEN: usize = 100_000;

/// Bytes of a rejected line that are kept beside its reason. Enough to find the fault by eye.
pub const MAX_REJECT_BYTES: usize = 64 << 10;

/// Distinct junk values that are counted by name; the rest are counted together. Junk is a short list unless it was extended badly.
pub const MAX_JUNK_COUNTED: usize = 1_000;

/// Threads of a replay. No machine has as many cores by far, and to start thousands takes minutes.
pub const MAX_THREADS: usize = 512;

/// Events of one `id` whose lines are looked for: the earliest. An `id` names one event, or a few; a log that gives all its events the same
/// would otherwise be held in memory whole.
pub const MAX_EVENTS_LOCATED: usize = 100;

/// Blocks that one question about single identities may read of the disk: a tenth of a second, and some tens of megabytes decoded. What
/// would take more is answered from everything, as questions about many are.
pub const MAX_BLOCKS_A_QUESTION: u32 = 2_000;

/// Keys of rejected lines that are told, so that they can be named in a configuration. A line has a dozen; values that stand where
/// keys belong would otherwise make one a line.
pub const MAX_KEYS_MET: usize = 24;

/// Identities that one picture draws. More cannot be read; those that are nearest to the asked ones are drawn, and a line
/// says how many are left out.
pub const MAX_DRAWN: usize = 240;

/// Events that a page draws: the earliest. More make a browser slow, and nobody reads them.
pub const MAX_EVENTS_DRAWN: usize = 2_000;
