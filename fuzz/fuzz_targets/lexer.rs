//! See `src/lexer.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgauthority_fuzz::lexer::run(data));
