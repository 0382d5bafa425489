//! See `src/frame.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgauthority_fuzz::frame::run(data));
