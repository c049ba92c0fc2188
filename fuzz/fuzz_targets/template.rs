//! Gives the target `template` to libFuzzer; what it does stands in `src/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mycelium::fuzzing::run("template", input));
