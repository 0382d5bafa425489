//! The boundary to C: the only unsafe code.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::slice;

use crate::SyntaxError;

/// `pga_result` of `csrc/stream.h`.
#[repr(C)]
struct RawResult {
    words: *mut u32,
    length: usize,
    message: *mut c_char,
    position: c_int,
}

unsafe extern "C" {
    fn pga_parse(text: *const c_char, length: usize, mode: c_int) -> RawResult;
    fn pga_parse_plpgsql(text: *const c_char, length: usize, mode: c_int) -> RawResult;
    fn pga_free(memory: *mut c_void);
}

/// The words of a stream, in the buffer that C allocated.
#[derive(Debug)]
pub(crate) struct Words {
    start: NonNull<u32>,
    length: usize,
}

// SAFETY: the buffer is plain memory from malloc, owned by this value alone and never written.
unsafe impl Send for Words {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Words {}

impl Words {
    pub(crate) fn as_slice(&self) -> &[u32] {
        // SAFETY: C handed over `length` initialised words at `start`, and `self` owns them.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: the buffer came from malloc and is freed exactly once, here.
        unsafe { pga_free(self.start.as_ptr().cast()) }
    }
}

pub(crate) fn parse(text: &[u8], mode: i32) -> Result<Words, SyntaxError> {
    check(text)?;
    // SAFETY: `text` is readable for its length; the shim copies it, catches every error of
    // PostgreSQL's kind, and unwinds no Rust frame (there is none between it and the parser).
    take(unsafe { pga_parse(text.as_ptr().cast(), text.len(), mode) })
}

pub(crate) fn parse_plpgsql(text: &[u8], mode: i32) -> Result<Words, SyntaxError> {
    check(text)?;
    // SAFETY: as in `parse`.
    take(unsafe { pga_parse_plpgsql(text.as_ptr().cast(), text.len(), mode) })
}

/// C would see only what stands before a NUL.
fn check(text: &[u8]) -> Result<(), SyntaxError> {
    match text.contains(&0) {
        false => Ok(()),
        true => Err(SyntaxError { message: "the text contains a NUL byte".into(), position: None }),
    }
}

fn take(raw: RawResult) -> Result<Words, SyntaxError> {
    if let Some(start) = NonNull::new(raw.words) {
        return Ok(Words { start, length: raw.length });
    }
    if raw.message.is_null() {
        return Err(SyntaxError { message: "out of memory".into(), position: None });
    }
    // SAFETY: not null, so it is a string from strdup, ended by a NUL.
    let message = unsafe { CStr::from_ptr(raw.message) }.to_string_lossy().into_owned();
    // SAFETY: it came from malloc and is used no more.
    unsafe { pga_free(raw.message.cast()) };
    Err(SyntaxError { message, position: u32::try_from(raw.position).ok().filter(|at| *at > 0) })
}

/// The bytes of words, in memory order.
#[inline]
pub(crate) fn bytes_of(words: &[u32]) -> &[u8] {
    // SAFETY: any word is four valid bytes, and a byte needs no alignment.
    unsafe { slice::from_raw_parts(words.as_ptr().cast(), words.len() * 4) }
}
