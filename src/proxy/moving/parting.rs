//! What a session that moves is notified of is told once: by the old servers, or by the new ones.
//!
//! Both listen for a while, and within one database both hear the same, in one order, since it has one
//! queue. So a notification of the proxy's own, on a channel of its own, is the boundary there: what
//! comes before it the old server tells, what comes behind it the new one. It does more: who commits
//! wakes those who listen only afterwards, and what has been committed before the new server listened
//! may not have reached the old one. A NOTIFY of its own has a server look.
//!
//! Only where the session may write is there such a NOTIFY.

use std::io;

use bytes::BytesMut;

use super::question::unique;
use super::session::Session;
use crate::protocol::{HEADER_LENGTH, Header, backend};
use crate::sql::quote::identifier;

/// Who commits a NOTIFY waits for the one before, which may wait for a standby; this one need not.
const PATIENCE: &[u8] = b"SELECT pg_catalog.set_config('lock_timeout', '1s', true), \
    pg_catalog.set_config('synchronous_commit', 'off', true)";

/// What a session's servers have told: by side, one upstream in the first place.
pub(super) type Heard = [BytesMut; 2];

/// Both sessions listen. Appends what the old servers are to tell of it to `aside`, what the new ones are
/// to tell to `reports`, which has what one new server has told so far.
///
/// Not cancel safe: answers would be left over.
///
/// # Errors
/// A new server is lost. The old ones have told all that they can.
pub(super) async fn part(
    old: &mut Session,
    new: &mut Session,
    (aside, reports): (&mut BytesMut, &mut BytesMut),
) -> io::Result<()> {
    let channel = unique("moves");
    let quoted = identifier(&channel);
    let [listen, notify, unlisten] =
        [&b"LISTEN "[..], b"NOTIFY ", b"UNLISTEN "].map(|verb| [verb, &quoted[..]].concat());
    let (mut before, mut behind) = (Heard::default(), new.kept_apart(reports));
    let parted = async {
        // an old server that is lost tells nothing any more
        let _ = old.run_beneath(&[&listen], false, &mut before).await;
        new.run_beneath(&[&listen], false, &mut behind).await?;
        let _ = old.run_beneath(&[PATIENCE, &notify], true, &mut before).await;
        new.run_beneath(&[PATIENCE, &notify], true, &mut behind).await?;
        new.run_beneath(&[&unlisten], false, &mut behind).await
    };
    let parted = parted.await;
    let _ = old.run_beneath(&[&unlisten], false, &mut before).await;
    let told_by_old = if parted.is_ok() { Told::Before } else { Told::All };
    for heard in &before {
        sift(heard, &channel, told_by_old, aside);
    }
    for heard in &behind {
        sift(heard, &channel, Told::Behind, reports);
    }
    parted
}

/// Which of its notifications a server tells, where the boundary was among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    All,
    Before,
    Behind,
}

/// Appends whole messages, the boundary and what is not to be told aside.
fn sift(heard: &[u8], channel: &[u8], told: Told, out: &mut BytesMut) {
    let is_boundary = |message: &&[u8]| channel_of(message) == Some(channel);
    let boundary = messages(heard).position(|message| is_boundary(&message));
    for (index, message) in messages(heard).enumerate() {
        let is_told = match (channel_of(message), boundary, told) {
            (Some(of), ..) if of == channel => false,
            (None, ..) | (_, None, _) | (.., Told::All) => true,
            (_, Some(boundary), Told::Before) => index < boundary,
            (_, Some(boundary), Told::Behind) => index > boundary,
        };
        if is_told {
            out.extend_from_slice(message);
        }
    }
}

fn messages(mut heard: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let header = Header::from_backend(heard).ok()??;
        let (message, rest) = heard.split_at_checked(header.message_length())?;
        heard = rest;
        Some(message)
    })
}

/// The channel of a NotificationResponse.
fn channel_of(message: &[u8]) -> Option<&[u8]> {
    let (&kind, _) = message.split_first()?;
    let channel = message.get(HEADER_LENGTH + 4..)?;
    (kind == backend::NOTIFICATION_RESPONSE).then(|| channel.split(|byte| *byte == 0).next())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message;

    /// Messages: `N` notifies of what follows it, `S` reports.
    fn heard(texts: &[&str]) -> BytesMut {
        let mut out = BytesMut::new();
        for text in texts {
            match text.split_at(1) {
                ("S", value) => message::parameter_status(&mut out, "a", value.as_bytes()),
                (_, channel) => message::frame(&mut out, backend::NOTIFICATION_RESPONSE, |out| {
                    out.extend_from_slice(&[0, 0, 0, 7]);
                    message::put_cstring(out, channel.as_bytes());
                    message::put_cstring(out, b"payload");
                }),
            }
        }
        out
    }

    #[test]
    fn each_notification_is_told_on_one_side_of_the_boundary() {
        let all = ["Na", "S1", "Nmark", "Nb", "Nmark", "S2", "Nc"];
        for (told, expected) in [
            (Told::All, &["Na", "S1", "Nb", "S2", "Nc"][..]),
            (Told::Before, &["Na", "S1", "S2"]),
            (Told::Behind, &["S1", "Nb", "S2", "Nc"]),
        ] {
            let mut out = BytesMut::new();
            sift(&heard(&all), b"mark", told, &mut out);
            assert_eq!(out, heard(expected), "{told:?}");
        }
        // elsewhere there is none
        for told in [Told::All, Told::Before, Told::Behind] {
            let mut out = BytesMut::new();
            sift(&heard(&["Na", "S1"]), b"mark", told, &mut out);
            assert_eq!(out, heard(&["Na", "S1"]), "{told:?}");
        }
    }
}
