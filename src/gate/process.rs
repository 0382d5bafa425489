//! Which process a notification is from, as the client knows its own: by the process id that it was
//! given at the start, whichever server the session is on since.

use bytes::BytesMut;

use super::Gate;
use super::backend::Heard;
use crate::protocol::{HEADER_LENGTH, Header, backend};

/// The session's process id on its server, and the one that its client knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    own: i32,
    known: i32,
}

impl Process {
    /// The two change places, so that no other process is taken for the session's own.
    fn told(self, id: i32) -> i32 {
        match id {
            id if id == self.own => self.known,
            id if id == self.known => self.own,
            id => id,
        }
    }
}

impl Gate {
    /// The client knows the session, whose process id on the server is `own`, by another one.
    pub fn know_as(&mut self, own: i32, known: i32) {
        self.process = (own != known).then_some(Process { own, known });
    }

    /// Names processes as the client knows them, in whole messages that did not come through here.
    pub fn name_processes(&self, mut messages: &mut [u8]) {
        let Some(process) = self.process else { return };
        while let Ok(Some(header)) = Header::from_backend(messages)
            && header.message_length() <= messages.len()
        {
            let (message, rest) = messages.split_at_mut(header.message_length());
            let id = message.get_mut(HEADER_LENGTH..HEADER_LENGTH + 4);
            if header.kind == backend::NOTIFICATION_RESPONSE
                && let Some(bytes) = id
                && let Ok(id) = <[u8; 4]>::try_from(&*bytes)
            {
                bytes.copy_from_slice(&process.told(i32::from_be_bytes(id)).to_be_bytes());
            }
            messages = rest;
        }
    }

    /// NotificationResponse.
    pub(super) fn notified(&self, message: &[u8]) -> Heard {
        let mut told = BytesMut::from(message);
        self.name_processes(&mut told);
        Heard::Replace(told.freeze())
    }
}
