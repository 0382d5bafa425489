//! Tests of `conninfo`.

use super::*;

fn info(text: &str) -> ConnInfo {
    read(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

fn messages(text: &str) -> Vec<String> {
    let faults = read(text).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.message).collect()
}

#[test]
fn defaults_are_libpqs_where_nothing_has_to_be_declared() {
    let info = info("postgresql://h/d");
    assert_eq!((info.host.as_str(), info.port, info.dbname.as_str()), ("h", 5432, "d"));
    assert_eq!(info.sslmode, SslMode::Prefer);
    assert_eq!((info.user, info.password), (None, None));
    assert_eq!(info.connect_timeout, Duration::from_secs(30));
    assert!(!info.direct_tls && !info.require_channel_binding && !info.disable_channel_binding);
}

#[test]
fn neons_own_url_is_read() {
    let info = info(
        "postgresql://app:s%2Fx@ep-x.aws.neon.tech/nova?sslmode=require&channel_binding=require",
    );
    assert_eq!(info.password.as_deref(), Some("s/x"));
    assert_eq!(info.sslmode, SslMode::Require);
    assert!(info.require_channel_binding);
}

#[test]
fn both_forms_and_all_places_of_a_parameter_agree() {
    for text in [
        "postgresql:///d?host=/run/postgresql&port=5433",
        "postgresql://%2Frun%2Fpostgresql:5433/d",
        "host=/run/postgresql port=5433 dbname=d",
        "postgresql://other:1/other?host=/run/postgresql&port=5433&dbname=d",
    ] {
        let info = info(text);
        assert_eq!((info.host.as_str(), info.port), ("/run/postgresql", 5433), "{text}");
        assert_eq!(info.dbname, "d");
    }
    let info = info("postgresql://[::1]/d?hostaddr=127.0.0.2");
    assert_eq!((info.host.as_str(), info.hostaddr), ("::1", "127.0.0.2".parse().ok()));
}

#[test]
fn system_roots_mean_verify_full() {
    let sound = info("postgresql://h/d?sslrootcert=system");
    assert_eq!(sound.sslmode, SslMode::VerifyFull);
    assert_eq!(
        messages("postgresql://h/d?sslrootcert=system&sslmode=require"),
        ["sslrootcert=system is too weak without sslmode=verify-full"]
    );
}

#[test]
fn every_fault_is_told_at_once() {
    assert_eq!(
        messages("postgresql://?sslmode=strict&connect_timeout=0&port=0&hostaddr=h&sslmod=x"),
        [
            "unknown parameter \"sslmod\"",
            "unknown value of sslmode",
            "hostaddr is not an IP address",
            "the port is not a number from 1 to 65535",
            "no database: which one it is has to be declared",
            "connect_timeout is not a number of seconds from 1 to 86400",
        ]
    );
}

#[test]
fn what_cannot_be_kept_is_refused() {
    for (text, message) in [
        ("postgresql://a,b/d", "several hosts: an upstream is one server, with one declaration"),
        ("postgresql:///d", "no host: which server it is has to be declared"),
        ("postgresql://h", "no database: which one it is has to be declared"),
        (
            "postgresql://h/d?target_session_attrs=read-write",
            "this value of target_session_attrs is not supported",
        ),
        ("postgresql://h/d?gssencmode=require", "this value of gssencmode is not supported"),
        ("postgresql://h/d?service=x", "parameter \"service\" is not supported"),
        (
            "postgresql://h/d?sslnegotiation=direct",
            "sslnegotiation=direct needs sslmode=require or stricter",
        ),
        (
            "postgresql://h/d?sslmode=disable&channel_binding=require",
            "channel_binding=require cannot be had with sslmode=disable",
        ),
        ("host=@x dbname=d", "abstract Unix sockets are not supported"),
    ] {
        assert_eq!(messages(text), [message], "{text}");
    }
    assert_eq!(
        messages("postgresql://h/d?target_session_attrs=any&gssencmode=prefer&sslsni=1"),
        [""; 0]
    );
}

#[test]
fn no_message_shows_a_part_of_a_password() {
    for text in [
        "postgresql://app:hun/ter2@h/d",
        "postgresql://app:hun?ter2=hunter@h/d",
        "postgresql://app:hun/ter2?Hunter=2@h/d",
        "postgresql://app:h%unter2@h/d",
        "host=h dbname=d password=hunter2 hunter3",
    ] {
        for fault in read(text).err().unwrap_or_default() {
            assert!(!fault.message.contains("unter"), "{}", fault.message);
            assert!(!fault.hint.contains("unter"), "{}", fault.hint);
        }
    }
}
