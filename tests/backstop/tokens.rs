//! A token is for one text on one backend for some seconds.

use std::sync::Arc;
use std::time::Duration;

use pgauthority::contract::backstop::{Backend, Key, token};

use super::ground::{Guarded, backend, set_token};
use super::support::cluster::Major;
use super::support::wire::Frames;

#[test]
fn a_good_token_lets_its_text_through() {
    for major in Major::ALL {
        let guarded = Guarded::start(major);
        let mut session = guarded.ground.round();
        for text in [
            "CREATE TABLE fresh (a int)",
            "CREATE INDEX CONCURRENTLY fresh_a ON fresh (a)",
            "DROP INDEX CONCURRENTLY fresh_a",
            "ALTER TABLE fresh ALTER a TYPE bigint",
            "CREATE TABLE one (); DROP TABLE one; CREATE TABLE two ()",
            "SELECT does('CREATE TABLE three ()')",
            "DO $$ BEGIN CREATE TABLE four (); END $$",
            "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY",
            "CREATE SCHEMA \"größer\"",
            "INSERT INTO traps VALUES (1)",
            "GRANT SELECT ON fresh TO reader",
            "DROP TABLE fresh, two, three, four",
        ] {
            let token = guarded.token(&mut session, text, 60);
            set_token(&mut session, &token);
            session.try_sql(text).unwrap_or_else(|error| panic!("{major:?} {text}: {error}"));
        }
        // the extended protocol: the text is the Parse's
        let text = "CREATE TABLE extended ()";
        let token = guarded.token(&mut session, text, 60);
        set_token(&mut session, &token);
        let answers = session.exchange(&Frames::new().run(text, &[]).sync());
        assert!(answers.iter().all(|message| message.tag != b'E'), "{answers:?}");
        // an encoding of the client's own: the text is what the client sent
        session.sql("SET client_encoding = 'LATIN1'");
        let text = b"CREATE TABLE \"gr\xf6\xdfer\" ()";
        let backend = backend(&mut session);
        let signed = token_of(&guarded.key, backend, text);
        set_token(&mut session, &signed);
        let answers = session.exchange(&Frames::new().query_bytes(text));
        assert!(answers.iter().all(|message| message.tag != b'E'), "{answers:?}");
        let made = guarded.ground.cluster.value("app", "SELECT to_regclass('\"größer\"')");
        assert_eq!(made, "\"größer\"");
    }
}

fn token_of(key: &Key, backend: Backend, text: &[u8]) -> String {
    token(key, backend, i64::from(u32::MAX), text)
}

#[test]
fn a_token_is_of_no_use_for_anything_else() {
    for major in Major::ALL {
        let guarded = Guarded::start(major);
        let mut session = guarded.ground.round();
        let text = "CREATE TABLE replayed ()";
        let this = backend(&mut session);
        let good = token_of(&guarded.key, this, text.as_bytes());
        let mut other = guarded.ground.round();
        let other_text = token_of(&guarded.key, this, b"CREATE TABLE replayed () ");
        let other_backend = backend(&mut other);
        let cases = [
            ("the session has no token", String::new()),
            ("what the session has is no token", "true".to_owned()),
            ("what the session has is no token", good.replace("1.", "2.")),
            ("what the session has is no token", good[..good.len() - 1].to_owned()),
            ("what the session has is no token", format!("{good}0")),
            ("what the session has is no token", format!("{good}\n")),
            ("the session has no token for this statement", other_text),
            (
                "the session has no token for this statement",
                token_of(&guarded.key, other_backend, text.as_bytes()),
            ),
            (
                "the session has no token for this statement",
                token_of(
                    &guarded.key,
                    Backend { started: this.started + 1, ..this },
                    text.as_bytes(),
                ),
            ),
            (
                "the session has no token for this statement",
                token_of(&Key::new([9; 32]), this, text.as_bytes()),
            ),
            (
                // the expiry is signed, too
                "the session has no token for this statement",
                good.replace(".4294967295.", ".4294967296."),
            ),
            ("the token has expired", guarded.token(&mut session, text, -2)),
        ];
        for (why, token) in cases {
            set_token(&mut session, &token);
            let error = session.error(text);
            assert_eq!(error.code(), "42501", "{error}");
            assert!(error.detail().ends_with(&format!("backstop: {why}")), "{token}: {error}");
        }
        // another session that has read it
        set_token(&mut other, &good);
        assert_eq!(other.error(text).code(), "42501");
        // inside a function, or with more behind it, the text is another
        set_token(&mut session, &good);
        for hidden in [format!("SELECT does('{text}')"), format!("{text}; SELECT 1")] {
            assert_eq!(session.error(&hidden).code(), "42501", "{hidden}");
        }
        set_token(&mut session, &good);
        session.sql(text);
    }
}

/// How long a statement takes does not matter, only when it arrived.
#[test]
fn a_statement_may_outlast_its_token() {
    let guarded = Guarded::start(Major::V15);
    let mut session = guarded.ground.round();
    let text = "SELECT pg_sleep(2.5); CREATE SCHEMA IF NOT EXISTS late";
    let token = guarded.token(&mut session, text, 1);
    set_token(&mut session, &token);
    session.sql(text);
    let error = session.error(text);
    assert!(error.detail().ends_with("the token has expired"), "{error}");
}

/// What the proxy knows of a connection is enough to sign for it.
#[test]
fn a_connection_of_the_proxys_can_be_signed_for() {
    for major in Major::ALL {
        let mut guarded = Guarded::start(major);
        guarded.ground.give_key();
        let config = pgauthority::config::load(&guarded.ground.config).unwrap();
        let upstream = Arc::clone(&config.upstreams["neon-prod"]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use pgauthority::upstream::{Login, NoClient, Request, open};
            let request = Request::new(b"app");
            let mut connection = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap();
            assert_eq!(connection.observations, Vec::<String>::new());
            let signable = connection.signable.clone().unwrap();
            assert_eq!(signable.backend().process_id, connection.process_id);
            let zero = Duration::from_secs(7);
            let signer = signable.signer(zero);
            let text = "CREATE TABLE signed ()";
            let token = signer.token(text.as_bytes(), zero + Duration::from_millis(20));
            let set = format!("SET pgauthority.token = '{token}'");
            assert_eq!(ask(&mut connection, &set).await, "");
            assert_eq!(ask(&mut connection, text).await, "");
            assert_eq!(ask(&mut connection, "DROP TABLE signed").await, "42501");
        });
    }
}

/// Sends a Query; the SQLSTATE of its error, or nothing.
async fn ask(connection: &mut pgauthority::upstream::Connection, sql: &str) -> String {
    use bytes::BytesMut;
    use pgauthority::protocol::message::{frame, put_cstring};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut query = BytesMut::new();
    frame(&mut query, b'Q', |out| put_cstring(out, sql.as_bytes()));
    connection.stream.write_all(&query).await.unwrap();
    let mut code = String::new();
    loop {
        let kind = connection.stream.read_u8().await.unwrap();
        let length = connection.stream.read_u32().await.unwrap();
        let mut body = vec![0; length as usize - 4];
        connection.stream.read_exact(&mut body).await.unwrap();
        match kind {
            b'E' => {
                let found = pgauthority::protocol::Fields::new(&body).code().unwrap().to_vec();
                code = String::from_utf8(found).unwrap();
            }
            b'Z' => return code,
            _ => {}
        }
    }
}
