//! The startup packet: the client's parameters in their order, and our options last.

use bytes::{Bytes, BytesMut};

use super::open::Request;
use crate::config::Upstream;
use crate::contract::parameter::{self, Parameter};
use crate::protocol::message::{self, protocol_version};
use crate::protocol::options::append;
use crate::protocol::startup::MAX_STARTUP_PACKET_LENGTH;

/// The read-only default of a guarded connection.
pub const READ_ONLY: &str = "default_transaction_read_only";

/// The tags of an upstream, by parameter name (contract §2).
pub(super) fn tags(upstream: &Upstream) -> [(&'static str, &str); 4] {
    let declared = upstream.declaration;
    [
        ("authority.upstream", upstream.name.as_str()),
        ("authority.authority", declared.authority.as_str()),
        ("authority.role", declared.role.as_str()),
        ("authority.env", declared.environment.as_str()),
    ]
}

/// Which of ours go into `options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) tags: bool,
    pub(super) guard: bool,
}

/// The packet; `None` where it would be longer than PostgreSQL takes.
pub(super) fn packet(
    upstream: &Upstream,
    request: &Request<'_>,
    user: &[u8],
    minor: u16,
    ours: Ours,
) -> Option<Bytes> {
    let mut parameters: Vec<(&[u8], &[u8])> =
        vec![(b"user", user), (b"database", request.database)];
    let passed_on = |(name, _): &&(&[u8], &[u8])| is_passed_on(name, request.guarded);
    let (declared, plain): (Vec<_>, Vec<_>) = request
        .parameters
        .iter()
        .filter(passed_on)
        .copied()
        .partition(|(name, _)| is_declaration(name));
    parameters.extend(plain);
    if let Some(name) = &upstream.endpoint.application_name {
        let named = |(name, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(b"application_name");
        if !parameters.iter().any(named) {
            parameters.push((b"application_name", name.as_bytes()));
        }
    }
    let options = options(upstream, request, &declared, ours)?;
    if !options.is_empty() {
        parameters.push((b"options", &options));
    }
    let mut packet = BytesMut::with_capacity(512);
    message::startup(&mut packet, protocol_version(3, minor), &parameters);
    (packet.len() <= MAX_STARTUP_PACKET_LENGTH).then(|| packet.freeze())
}

/// Whether a plain startup parameter of the client goes to the server. PostgreSQL lets a plain
/// parameter beat `options`, so one named as ours would silence ours.
fn is_passed_on(name: &[u8], guarded: bool) -> bool {
    const TAKEN: [&[u8]; 7] = [
        b"user",
        b"database",
        b"options",
        b"authority.upstream",
        b"authority.authority",
        b"authority.role",
        b"authority.env",
    ];
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    let guard = guarded && is(READ_ONLY.as_bytes());
    // what the backstop is told, the proxy alone says
    let namespace = parameter::BACKSTOP_PREFIX.as_bytes();
    let backstop =
        name.get(..namespace.len()).is_some_and(|start| start.eq_ignore_ascii_case(namespace));
    let held_back = name.is_empty() || name.starts_with(b"_pq_.") || guard || backstop;
    !held_back && !TAKEN.iter().any(|other| is(other))
}

/// Whether it is one of the client's declarations. They go into `options`: a host that drops
/// plain parameters which it does not know (Neon) would leave the session without.
fn is_declaration(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| Parameter::from_name(name).is_some())
}

/// The URL's options, then the client's, its declarations, then ours: the last of several wins.
/// `None` for a value that no option can hold.
fn options(
    upstream: &Upstream,
    request: &Request<'_>,
    declared: &[(&[u8], &[u8])],
    ours: Ours,
) -> Option<Vec<u8>> {
    let mut options = Vec::new();
    for theirs in [upstream.endpoint.options.as_deref().map(str::as_bytes), request.options] {
        let theirs = whole(theirs.unwrap_or_default());
        if !options.is_empty() && !theirs.is_empty() {
            options.push(b' ');
        }
        options.extend_from_slice(theirs);
    }
    for (name, value) in declared {
        append(&mut options, std::str::from_utf8(name).ok()?, value).ok()?;
    }
    // another pgauthority takes these too
    if ours.tags || upstream.chain {
        for (name, value) in request.reported {
            append(&mut options, std::str::from_utf8(name).ok()?, value).ok()?;
        }
    }
    if ours.tags {
        for (name, value) in tags(upstream) {
            append(&mut options, name, value.as_bytes()).ok()?;
        }
        if let Some(task) = request.task {
            append(&mut options, parameter::TASK, task.as_bytes()).ok()?;
        }
    }
    if ours.guard {
        append(&mut options, READ_ONLY, b"on").ok()?;
    }
    Some(options)
}

/// Without a backslash at the end that escapes nothing: it would escape the space before ours.
fn whole(options: &[u8]) -> &[u8] {
    let backslashes = options.iter().rev().take_while(|byte| **byte == b'\\').count();
    let end = options.len() - backslashes % 2;
    options.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::open::tests::upstream;

    const ALL: Ours = Ours { tags: true, guard: true };

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace('\0', "|")
    }

    #[test]
    fn client_parameters_keep_their_order_and_ours_come_last() {
        let mut upstream = upstream("neon-prod");
        upstream.endpoint.options = Some("-c work_mem=1MB".to_owned());
        let mut request = Request::new(b"nova");
        request.guarded = true;
        request.options = Some(b"-c authority.role=staging");
        request.parameters = vec![
            (b"user", b"eve"),
            (b"application_name", b"psql"),
            (b"_pq_.x", b"1"),
            (b"AUTHORITY.role", b"staging"),
            (b"PgAuthority.token", b"1.2.3"),
            (b"Default_Transaction_Read_Only", b"off"),
            (b"authority.ticket", b"T-1"),
        ];
        let packet = packet(&upstream, &request, b"app", 0, ALL).unwrap();
        assert_eq!(packet.len(), u32::from_be_bytes(packet[..4].try_into().unwrap()) as usize);
        assert_eq!(&packet[4..8], &[0, 3, 0, 0]);
        assert_eq!(
            text(&packet[8..]),
            "user|app|database|nova|application_name|psql|options|\
             -c work_mem=1MB -c authority.role=staging -c authority.ticket=T-1 -c authority.upstream=neon-prod \
             -c authority.authority=neon -c authority.role=prod -c authority.env=prod-like \
             -c default_transaction_read_only=on||"
        );
    }

    #[test]
    fn a_dangling_backslash_does_not_swallow_ours() {
        let upstream = upstream("a b\\c");
        let ours = Ours { tags: true, guard: false };
        let mut request = Request::new(b"nova");
        request.options = Some(b"-c x=y\\");
        request.task = Some("unit_tests");
        let reported = [(Bytes::from_static(b"DateStyle"), Bytes::from_static(b"ISO, DMY"))];
        request.reported = &reported;
        let options = options(&upstream, &request, &[], ours).unwrap();
        assert!(
            text(&options)
                .starts_with(r"-c x=y -c DateStyle=ISO,\ DMY -c authority.upstream=a\ b\\c -c ")
        );
        assert!(text(&options).ends_with(" -c authority.task=unit_tests"));
        assert_eq!(whole(br"x\\"), br"x\\");
        assert_eq!(whole(br"x\\\"), br"x\\");
    }

    #[test]
    fn a_packet_that_postgresql_would_refuse_is_not_made() {
        let long = vec![b'x'; 9_990];
        let mut request = Request::new(b"nova");
        request.parameters = vec![(b"application_name", &long)];
        assert!(packet(&upstream("u"), &request, b"app", 0, ALL).is_none());
    }
}
