//! Documents from the outside: what edits write, what broken files say, and properties that hold for every file.

#[path = "document/edits.rs"]
mod edits;
#[path = "document/fixtures.rs"]
mod fixtures;
#[path = "document/hostile.rs"]
mod hostile;
#[path = "document/merge.rs"]
mod merge;
#[path = "document/open_blocks.rs"]
mod open_blocks;
#[path = "document/properties.rs"]
mod properties;
