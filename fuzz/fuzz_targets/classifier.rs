//! See `src/classifier.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgauthority_fuzz::classifier::run(data));
