//! See `src/growth.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgauthority_fuzz::growth::run(data));
