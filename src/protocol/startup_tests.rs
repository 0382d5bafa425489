//! Tests of the packets before authentication.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::protocol::message;

/// A startup packet without its length word.
fn packet(version: u32, parameters: &[(&str, &str)]) -> Bytes {
    let mut out = BytesMut::new();
    let parameters: Vec<(&[u8], &[u8])> =
        parameters.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    message::startup(&mut out, version, &parameters);
    out.freeze().slice(4..)
}

fn startup(parameters: &[(&str, &str)]) -> Result<Startup, StartupError> {
    match InitialPacket::parse(packet(protocol_version(3, 0), parameters))? {
        InitialPacket::Startup(startup) => Ok(*startup),
        other => panic!("not a startup packet: {other:?}"),
    }
}

#[test]
fn requests_are_told_by_their_codes() {
    let code = |code: u32| InitialPacket::parse(Bytes::copy_from_slice(&code.to_be_bytes()));
    assert_eq!(code(NEGOTIATE_SSL_CODE), Ok(InitialPacket::SslRequest));
    assert_eq!(code(NEGOTIATE_GSS_CODE), Ok(InitialPacket::GssEncRequest));
    assert_eq!(code(CANCEL_REQUEST_CODE), Err(StartupError::CancelLength));
    for length in [0, 1, 4, 32, 256, 257] {
        let mut out = BytesMut::new();
        message::cancel_request(&mut out, -7, &vec![9; length]);
        let expected = match length {
            1..=256 => {
                Ok(InitialPacket::Cancel { process_id: -7, key: Bytes::from(vec![9; length]) })
            }
            _ => Err(StartupError::CancelLength),
        };
        assert_eq!(InitialPacket::parse(out.freeze().slice(4..)), expected);
    }
}

#[test]
fn lengths_are_limited_as_in_postgres() {
    let length = |length: i32| InitialPacket::body_length(length.to_be_bytes());
    for bad in [i32::MIN, -1, 0, 4, 7, 10_005, i32::MAX] {
        assert_eq!(length(bad), Err(StartupError::Length));
    }
    assert_eq!(length(8), Ok(4));
    assert_eq!(length(10_004), Ok(10_000));
}

#[test]
fn versions_are_negotiated() {
    for (minor, in_use, needs) in [(0, 0, false), (1, 1, false), (2, 2, false), (9999, 2, true)] {
        let packet = packet(protocol_version(3, minor), &[("user", "u")]);
        let InitialPacket::Startup(startup) = InitialPacket::parse(packet).unwrap() else {
            panic!("not a startup packet")
        };
        assert_eq!(startup.protocol, (3, minor));
        assert_eq!(startup.protocol_in_use(), (3, in_use));
        assert_eq!(startup.needs_negotiation(), needs);
    }
    let options = startup(&[("user", "u"), ("_pq_.a", "1"), ("_pq_.b", "")]).unwrap();
    assert_eq!(options.unrecognized, ["_pq_.a", "_pq_.b"]);
    assert!(options.needs_negotiation() && options.settings.is_empty());
    for (major, minor) in [(2, 0), (1, 0), (0, 0), (4, 0)] {
        let error = InitialPacket::parse(packet(protocol_version(major, minor), &[])).unwrap_err();
        assert_eq!(
            error.response().unwrap().message,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2")
        );
        assert_eq!(error.speaks_protocol_2(), major < 3);
    }
}

#[test]
fn the_last_of_several_wins_and_parameters_beat_options() {
    let startup = startup(&[
        ("user", "a"),
        ("Authority.Task", "plain"),
        ("options", "-c gone=1"),
        ("user", "b"),
        ("options", "-c authority.task=one -c AUTHORITY.TASK=two -c x.y=z"),
        ("authority.ticket", "T-1"),
    ])
    .unwrap();
    assert_eq!((startup.user.as_str(), startup.database.as_str()), ("b", "b"));
    assert_eq!(startup.parameters.len(), 6);
    let names: Vec<String> =
        startup.settings.iter().map(|s| format!("{}={}", s.name, s.text())).collect();
    assert_eq!(
        names,
        [
            "authority.task=one",
            "AUTHORITY.TASK=two",
            "x.y=z",
            "Authority.Task=plain",
            "authority.ticket=T-1"
        ]
    );
    assert_eq!(startup.setting("authority.TASK").unwrap().text(), "plain");
    assert_eq!(startup.setting("X.Y").unwrap().origin, SettingOrigin::Options);
    assert_eq!(startup.setting("gone"), None);
    let mut options = startup.options(|setting| !setting.is("authority.task")).unwrap();
    options::append(&mut options, "authority.role", b"prod or\\so").unwrap();
    assert_eq!(options, b"-c x.y=z -c authority.role=prod\\ or\\\\so");
}

#[test]
fn names_of_protocol_fields_are_case_sensitive() {
    let startup = startup(&[("user", "u"), ("Database", "d"), ("OPTIONS", "-c a=b")]).unwrap();
    assert_eq!(startup.database, "u");
    assert_eq!(startup.settings.len(), 2);
}

#[test]
fn replication_is_a_boolean_or_database() {
    use Replication::*;
    for (values, expected) in [
        (&["true"][..], Some(Physical)),
        (&["ON"], Some(Physical)),
        (&["0"], None),
        (&["database"], Some(Database)),
        (&["database", "off"], None),
        (&["database", "1"], Some(Database)),
    ] {
        let mut parameters = vec![("user", "u")];
        parameters.extend(values.iter().map(|value| ("replication", *value)));
        assert_eq!(startup(&parameters).unwrap().replication, expected, "{values:?}");
    }
    for bad in ["", "o", "Database", "2"] {
        let error = startup(&[("user", "u"), ("replication", bad)]).unwrap_err();
        assert_eq!(error, StartupError::Replication(bad.to_owned()));
        assert_eq!(error.response().unwrap().code, "22023");
    }
}

#[test]
fn layouts_that_postgres_refuses_are_refused() {
    for body in [&b""[..], b"user\0u\0", b"user\0u", b"user\0", b"user\0u\0\0x", b"\0\0"] {
        let mut packet = protocol_version(3, 0).to_be_bytes().to_vec();
        packet.extend_from_slice(body);
        assert_eq!(InitialPacket::parse(packet.into()), Err(StartupError::Layout), "{body:?}");
    }
    assert_eq!(startup(&[]), Err(StartupError::NoUser));
    assert_eq!(startup(&[("user", "")]), Err(StartupError::NoUser));
    assert!(matches!(
        startup(&[("user", "u"), ("options", "x")]),
        Err(StartupError::Options(OptionsError::InvalidArgument(_)))
    ));
}

#[test]
fn values_in_other_encodings_are_kept_and_names_are_refused() {
    let mut packet = protocol_version(3, 0).to_be_bytes().to_vec();
    packet.extend_from_slice(b"user\0u\0application_name\0\xe9\0\0");
    let InitialPacket::Startup(startup) = InitialPacket::parse(packet.into()).unwrap() else {
        panic!("not a startup packet")
    };
    assert_eq!(&startup.settings[0].value[..], b"\xe9");
    let mut packet = protocol_version(3, 0).to_be_bytes().to_vec();
    packet.extend_from_slice(b"user\0\xe9\0\0");
    assert_eq!(InitialPacket::parse(packet.into()), Err(StartupError::Encoding));
}

proptest! {
    #[test]
    fn any_packet_is_answered(packet in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = InitialPacket::parse(packet.into());
    }

    #[test]
    fn any_startup_body_is_answered(
        body in "(user|database|options|replication|_pq_.x|a.b|-c a=b|\0|x)*",
    ) {
        let mut packet = protocol_version(3, 0).to_be_bytes().to_vec();
        packet.extend_from_slice(body.as_bytes());
        if let Ok(InitialPacket::Startup(startup)) = InitialPacket::parse(packet.into()) {
            prop_assert!(!startup.user.is_empty() && !startup.database.is_empty());
        }
    }
}
