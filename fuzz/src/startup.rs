//! The first packet of a connection, its parameters and its `options`.

use bytes::{Bytes, BytesMut};
use pgauthority::protocol::message::{self, protocol_version};
use pgauthority::protocol::{InitialPacket, SettingOrigin, Startup, options};

/// Reads `data` as a packet without its length word, and as a value of `options`.
pub fn run(data: &[u8]) {
    if let Ok(length) = data.try_into().map_or(Ok(0), InitialPacket::body_length) {
        assert!(length <= pgauthority::protocol::MAX_STARTUP_PACKET_LENGTH);
    }
    match InitialPacket::parse(Bytes::copy_from_slice(data)) {
        Ok(InitialPacket::Startup(startup)) => whole(data, &startup),
        Ok(InitialPacket::Cancel { key, .. }) => assert!(data.ends_with(&key) && !key.is_empty()),
        Ok(InitialPacket::SslRequest | InitialPacket::GssEncRequest) => assert_eq!(data.len(), 4),
        Err(error) => {
            if let Some(response) = error.response() {
                assert!(!response.to_bytes().is_empty());
            }
        }
    }
    written_again(data);
}

/// A packet that was accepted: nothing of it is lost, and what it sets can be handed on.
fn whole(data: &[u8], startup: &Startup) {
    assert!(!startup.user.is_empty() && !startup.database.is_empty());
    assert_eq!(startup.protocol.0, 3);
    assert!(startup.protocol_in_use() <= startup.protocol);
    let version = protocol_version(startup.protocol.0, startup.protocol.1);
    let parameters: Vec<(&[u8], &[u8])> =
        startup.parameters.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    let mut again = BytesMut::new();
    message::startup(&mut again, version, &parameters);
    assert_eq!(&again[4..], data);
    for setting in &startup.settings {
        let last = startup.settings.iter().rev().find(|one| one.is(&setting.name));
        assert_eq!(startup.setting(&setting.name), last);
    }
    let Ok(written) = startup.options(|_| true) else { return };
    let read = options::parse(&written).expect("what is written can be read");
    let meant = startup.settings.iter().filter(|one| one.origin == SettingOrigin::Options);
    assert!(read.iter().map(|(name, value)| (name, value)).eq(meant.map(|s| (&s.name, &s.value))));
}

/// `options` in one spelling mean what they meant in the client's.
fn written_again(data: &[u8]) {
    let Ok(switches) = options::parse(data) else { return };
    let mut written = Vec::new();
    for (name, value) in &switches {
        if options::append(&mut written, name, value).is_err() {
            return;
        }
    }
    assert_eq!(options::parse(&written).as_ref(), Ok(&switches));
}
