//! Tests of SCRAM: RFC 7677's vectors, both halves against each other, and what must fail.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

/// RFC 7677 section 3. Its user name is not empty as ours is, so the client's half is given the
/// same messages by hand.
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn rfc_verifier() -> Verifier {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    Verifier::from_password(b"pencil", &salt, 4096)
}

fn rfc_exchange() -> (String, WaitingForClientFinal) {
    respond_to_client_first(
        Mechanism::Plain,
        None,
        rfc_verifier(),
        CLIENT_FIRST.as_bytes(),
        SERVER_NONCE,
    )
    .unwrap()
}

#[test]
fn the_rfc_exchange_is_served() {
    let (server_first, waiting) = rfc_exchange();
    assert_eq!(server_first, SERVER_FIRST);
    let (server_final, keys) = waiting.finish(CLIENT_FINAL.as_bytes()).unwrap();
    assert_eq!(server_final, SERVER_FINAL);
    assert_eq!(keys.verifier().to_secret_text(), rfc_verifier().to_secret_text());
    let fresh = Keys::from_password(b"pencil", &keys.salt, 4096);
    assert_eq!(keys.client_key, fresh.client_key);
}

/// Runs both halves against each other.
fn exchange(
    verifier: Verifier,
    credential: Credential<'_>,
    binding: ChannelBinding,
    end_point: Option<&[u8]>,
) -> Result<Keys, ScramError> {
    let client = ClientFirst::new(binding, CLIENT_NONCE.to_owned());
    let mechanism = Mechanism::from_name(client.mechanism().as_bytes()).unwrap();
    let message = client.message();
    let (server_first, waiting) =
        respond_to_client_first(mechanism, end_point, verifier, message.as_bytes(), SERVER_NONCE)?;
    let client = client.respond(server_first.as_bytes(), credential)?;
    let (server_final, keys) = waiting.finish(client.message().as_bytes())?;
    client.verify(server_final.as_bytes())?;
    Ok(keys)
}

#[test]
fn keys_recovered_from_a_proof_log_in() {
    let salt = b"0123456789abcdef";
    let verifier = Verifier::from_password("pässword".as_bytes(), salt, 100);
    let keys = exchange(
        verifier.clone(),
        Credential::Password("pässword".as_bytes()),
        ChannelBinding::Unsupported,
        None,
    )
    .unwrap();
    let end_point = b"certificate".to_vec();
    for (binding, offered) in [
        (ChannelBinding::Unsupported, None),
        (ChannelBinding::Unsupported, Some(&end_point[..])),
        (ChannelBinding::NotOffered, None),
        (ChannelBinding::EndPoint(end_point.clone()), Some(&end_point[..])),
    ] {
        exchange(verifier.clone(), Credential::Keys(&keys), binding, offered).unwrap();
    }
    let other = Verifier::from_password("pässword".as_bytes(), b"another salt", 100);
    let error = exchange(other, Credential::Keys(&keys), ChannelBinding::Unsupported, None);
    assert_eq!(error.unwrap_err(), ScramError::OtherVerifier);
}

#[test]
fn wrong_passwords_and_doomed_users_fail_alike() {
    let verifier = Verifier::from_password(b"right", b"salt", 10);
    let plain = |verifier: Verifier, password: &[u8]| {
        let credential = Credential::Password(password);
        exchange(verifier, credential, ChannelBinding::Unsupported, None).map(|_| ())
    };
    assert_eq!(plain(verifier.clone(), b"right"), Ok(()));
    assert_eq!(plain(verifier.clone(), b"wrong"), Err(ScramError::WrongProof));
    assert_eq!(plain(verifier.doomed(), b"right"), Err(ScramError::WrongProof));
    let mock = MockSecret::new([7; 32]);
    assert_eq!(plain(mock.verifier("nobody"), b"right"), Err(ScramError::WrongProof));
}

#[test]
fn channel_binding_is_held_to() {
    let verifier = Verifier::from_password(b"right", b"salt", 10);
    let bound = |binding, offered| {
        exchange(verifier.clone(), Credential::Password(b"right"), binding, offered).map(|_| ())
    };
    let end_point = |data: &[u8]| ChannelBinding::EndPoint(data.to_vec());
    assert_eq!(bound(end_point(b"ours"), Some(b"ours")), Ok(()));
    assert_eq!(bound(end_point(b"theirs"), Some(b"ours")), Err(ScramError::BindingCheck));
    let downgraded = bound(ChannelBinding::NotOffered, Some(b"ours")).unwrap_err();
    assert_eq!(downgraded, ScramError::BindingNegotiation);
    assert_eq!(downgraded.response().unwrap().code, "28000");
}

#[test]
fn client_first_messages_are_checked() {
    let refused = |mechanism, message: &str| {
        respond_to_client_first(mechanism, Some(b"x"), rfc_verifier(), message.as_bytes(), "s")
            .unwrap_err()
            .response()
            .map(|response| (response.message, response.code.into_owned()))
            .unwrap()
    };
    for (mechanism, message, answer, code) in [
        (Mechanism::Plus, "n,,n=,r=a", "malformed SCRAM message", "08P01"),
        (Mechanism::Plus, "y,,n=,r=a", "malformed SCRAM message", "08P01"),
        (Mechanism::Plain, "p=tls-server-end-point,,n=,r=a", "malformed SCRAM message", "08P01"),
        (
            Mechanism::Plus,
            "p=tls-unique,,n=,r=a",
            "unsupported SCRAM channel-binding type \"tls-unique\"",
            "08P01",
        ),
        (
            Mechanism::Plain,
            "n,a=x,n=,r=a",
            "client uses authorization identity, but it is not supported",
            "0A000",
        ),
        (
            Mechanism::Plain,
            "n,,m=x,n=,r=a",
            "client requires an unsupported SCRAM extension",
            "0A000",
        ),
        (Mechanism::Plain, "n,,n=,r=a b", "non-printable characters in SCRAM nonce", "08P01"),
        (Mechanism::Plain, "", "malformed SCRAM message", "08P01"),
        (Mechanism::Plain, "n", "malformed SCRAM message", "08P01"),
        (Mechanism::Plain, "n,,", "malformed SCRAM message", "08P01"),
        (Mechanism::Plain, "n,,n=\0,r=a", "malformed SCRAM message", "08P01"),
        (Mechanism::Plain, "z,,n=,r=a", "malformed SCRAM message", "08P01"),
    ] {
        assert_eq!(refused(mechanism, message), (answer.to_owned(), code.to_owned()), "{message}");
    }
}

#[test]
fn client_final_messages_are_checked() {
    for (from, to, expected) in [
        ("c=biws", "c=eSws", ScramError::BindingAttribute),
        ("r=rOpr", "r=rOps", ScramError::NonceMismatch),
        (",p=dHzb", ",p=eHzb", ScramError::WrongProof),
        (
            ",p=dHzb",
            ",p=Hzb",
            ScramError::Malformed("Malformed proof in client-final-message.".to_owned()),
        ),
        (",p=", ",q=", ScramError::Malformed("expected attribute \"p\"".to_owned())),
    ] {
        let (_, waiting) = rfc_exchange();
        let message = CLIENT_FINAL.replace(from, to);
        assert_eq!(waiting.finish(message.as_bytes()).unwrap_err(), expected);
    }
}

#[test]
fn servers_are_held_to_the_protocol() {
    let answer = |server_first: &str| {
        ClientFirst::new(ChannelBinding::Unsupported, "abc".to_owned())
            .respond(server_first.as_bytes(), Credential::Password(b"x"))
            .map(|_| ())
    };
    assert_eq!(answer("r=abcd,s=AAAA,i=1"), Ok(()));
    assert_eq!(answer("r=abc,s=AAAA,i=1"), Err(ScramError::NonceMismatch));
    assert_eq!(answer("r=xabcd,s=AAAA,i=1"), Err(ScramError::NonceMismatch));
    assert_eq!(answer("m=1,r=abcd,s=AAAA,i=1"), Err(ScramError::Extension));
    assert_eq!(answer("r=abcd,s=AAAA,i=1000001"), Err(ScramError::TooManyIterations(1_000_001)));
    for malformed in ["", "r=abcd", "r=abcd,s=*,i=1", "r=abcd,s=AAAA,i=0", "r=abcd,s=AAAA,i=-1"] {
        assert!(matches!(answer(malformed), Err(ScramError::Malformed(_))), "{malformed}");
    }
    let wrong_server = |server_final: &str| {
        ClientFirst::new(ChannelBinding::Unsupported, "abc".to_owned())
            .respond(b"r=abcd,s=AAAA,i=1", Credential::Password(b"x"))
            .unwrap()
            .verify(server_final.as_bytes())
    };
    assert_eq!(wrong_server("v=AAAA"), Err(ScramError::ServerSignature));
    assert_eq!(
        wrong_server("e=invalid-proof"),
        Err(ScramError::Refused("invalid-proof".to_owned()))
    );
    assert!(matches!(wrong_server("v=*"), Err(ScramError::Malformed(_))));
}

#[test]
fn verifiers_are_read_as_in_pg_authid() {
    let text = rfc_verifier().to_secret_text();
    assert_eq!(Verifier::parse(&text).unwrap().to_secret_text(), text);
    assert_eq!(Verifier::from_secret(&text, b"salt").to_secret_text(), text);
    assert_eq!(Verifier::from_secret("pencil", b"salt").shape(), (4096, 4));
    for bad in ["", "md5abc", "SCRAM-SHA-256$4096", "SCRAM-SHA-256$0:AAAA$AAAA:AAAA"] {
        assert!(Verifier::parse(bad).is_none(), "{bad}");
    }
    assert!(Verifier::parse(&text.replace("$4096", "$-4096")).is_none());
    for shown in [format!("{:?}", rfc_verifier()), format!("{:?}", rfc_exchange().1)] {
        assert!(!shown.contains(&STANDARD.encode(rfc_verifier().stored_key)), "{shown}");
    }
}

#[test]
fn mock_verifiers_are_steady_and_look_like_the_real_ones() {
    let real = [
        Verifier::from_password(b"a", b"0123456789", 7),
        Verifier::from_password(b"b", b"9876543210", 7),
        Verifier::from_password(b"c", b"other", 9),
    ];
    let mock = MockSecret::new([7; 32]).shaped_like(real.iter());
    assert_eq!(mock.verifier("x").shape(), (7, 10));
    assert_eq!(mock.verifier("x").salt, mock.verifier("x").salt);
    assert_ne!(mock.verifier("x").salt, mock.verifier("y").salt);
    let none = MockSecret::new([7; 32]);
    assert_eq!(none.verifier("x").shape(), (4096, 16));
    assert_eq!(none.real("x", "password").salt, none.verifier("x").salt);
}

#[test]
fn passwords_are_prepared_where_they_can_be() {
    let key = |password: &str| Keys::from_password(password.as_bytes(), b"s", 1).stored_key;
    assert_eq!(key("I\u{ad}X"), key("IX"));
    assert_eq!(key("\u{2168}"), key("IX"));
    assert_ne!(key("a\u{7}b"), key("ab"));
}

proptest! {
    #[test]
    fn any_messages_are_answered(
        first in proptest::collection::vec(any::<u8>(), 0..40),
        last in "[cr=,pbiws]{0,40}",
        server in "[rsie=,A0-9]{0,40}",
    ) {
        let verifier = Verifier::from_password(b"x", b"salt", 1);
        let _ = respond_to_client_first(Mechanism::Plain, None, verifier, &first, "s");
        let _ = rfc_exchange().1.finish(last.as_bytes());
        let client = ClientFirst::new(ChannelBinding::Unsupported, "A".to_owned());
        let keys = Keys::from_password(b"x", b"salt", 1);
        let _ = client.respond(server.as_bytes(), Credential::Keys(&keys));
    }
}
