//! The sends themselves: all of this crate's unsafe code.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use io_uring::{IoUring, opcode, types};
use rustix::net::SendFlags;

/// How many sends go at once.
pub(crate) const SENDS: usize = 256;
/// How many bytes go at once.
pub(crate) const BYTES: usize = 256 * 1024;

/// A send ends at once, and a peer that has gone is an error and no signal.
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// A send to be made, and then what came of it.
pub(crate) struct Send<T> {
    socket: RawFd,
    at: usize,
    length: usize,
    pub(crate) of: T,
    /// How much of it went.
    pub(crate) sent: io::Result<usize>,
}

/// Sends that wait to be made, in order.
///
/// Invariant: every socket in `waiting` stays open until [`Sends::make`] has returned.
/// [`Sends::add`] is unsafe for that alone.
pub(crate) struct Sends<T> {
    ring: IoUring,
    bytes: Vec<u8>,
    waiting: Vec<Send<T>>,
}

impl<T> Sends<T> {
    pub(crate) fn new() -> io::Result<Sends<T>> {
        let entries = SENDS as u32;
        // newer kernels need not interrupt the thread for what it alone waits for
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .build(entries)
            .or_else(|_| IoUring::new(entries))?;
        let mut probe = io_uring::Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Send::CODE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Sends { ring, bytes: Vec::with_capacity(BYTES), waiting: Vec::with_capacity(SENDS) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether there is room for one more, of so many bytes.
    pub(crate) fn fits(&self, length: usize) -> bool {
        self.waiting.len() < SENDS && self.bytes.len() + length <= BYTES
    }

    /// Adds a send; it fits.
    ///
    /// # Safety
    ///
    /// The socket stays open until [`Sends::make`] has returned.
    pub(crate) unsafe fn add(&mut self, socket: RawFd, bytes: &[u8], of: T) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.waiting.push(Send { socket, at, length: bytes.len(), of, sent: Ok(0) });
    }

    /// Adds to the last send, if it is of this socket.
    pub(crate) fn extend(&mut self, socket: RawFd, bytes: &[u8]) -> bool {
        match self.waiting.last_mut() {
            Some(last) if last.socket == socket && self.bytes.len() + bytes.len() <= BYTES => {
                self.bytes.extend_from_slice(bytes);
                last.length += bytes.len();
                true
            }
            _ => false,
        }
    }

    /// Makes them all, without waiting for any socket, and tells of each that did not go whole:
    /// what it was of, and what is left or why nothing went.
    ///
    /// # Errors
    ///
    /// The ring is of no use any more; some may have been made. It must not be used again.
    pub(crate) fn make(
        &mut self,
        mut undone: impl FnMut(T, io::Result<&[u8]>),
    ) -> Result<(), io::Error> {
        let made = match &mut self.waiting[..] {
            [one] => {
                // SAFETY: the socket is open (see `add`).
                let socket = unsafe { BorrowedFd::borrow_raw(one.socket) };
                let bytes = &self.bytes[one.at..one.at + one.length];
                one.sent = rustix::net::send(socket, bytes, FLAGS).map_err(io::Error::from);
                Ok(())
            }
            _ => self.submit(),
        };
        for one in self.waiting.drain(..) {
            let Send { at, length, of, sent, .. } = one;
            let end = at + length;
            match sent {
                Ok(sent) if sent >= length => {}
                Ok(sent) => undone(of, Ok(&self.bytes[at + sent..end])),
                Err(error) if is_full(&error) => undone(of, Ok(&self.bytes[at..end])),
                Err(error) => undone(of, Err(error)),
            }
        }
        if made.is_err() {
            // the kernel may still read it
            std::mem::forget(std::mem::take(&mut self.bytes));
        }
        self.bytes.clear();
        made
    }

    fn submit(&mut self) -> io::Result<()> {
        let count = self.waiting.len();
        for (index, one) in self.waiting.iter_mut().enumerate() {
            one.sent = Err(io::ErrorKind::ConnectionAborted.into());
            let bytes = self.bytes[one.at..].as_ptr();
            let entry = opcode::Send::new(types::Fd(one.socket), bytes, one.length as u32)
                .flags(FLAGS.bits() as i32)
                .build()
                .user_data(index as u64);
            // SAFETY: `bytes` is neither moved nor freed before the completion is seen, or is
            // never freed (see `make`); the socket is open (see `add`).
            unsafe { self.ring.submission().push(&entry) }
                .map_err(|_| io::Error::other("the submission queue is full"))?;
        }
        let mut ended = 0;
        while ended < count {
            match self.ring.submit_and_wait(count - ended) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            for completion in self.ring.completion() {
                ended += 1;
                if let Some(one) = self.waiting.get_mut(completion.user_data() as usize) {
                    let result = completion.result();
                    one.sent =
                        usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
                }
            }
        }
        Ok(())
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
