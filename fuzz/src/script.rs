//! What the fuzzer's bytes decide: choices one by one, and the clients' messages made of them.

use arbitrary::Unstructured;
use bytes::{BufMut, BytesMut};
use pgauthority::protocol::frontend;
use pgauthority::protocol::message::{frame, put_cstring};

/// Statements that move every part of a session's state.
pub const TEXTS: &[&str] = &[
    "SELECT 1",
    "INSERT INTO t VALUES (1)",
    "DROP TABLE t",
    "SET authority.confirm_prod_migrations = true",
    "SET LOCAL authority.confirm_prod_migrations = true",
    "SET authority.confirm_prod_migrations = false",
    "SET LOCAL authority.confirm_prod_migrations = off",
    "RESET authority.confirm_prod_migrations",
    "RESET ALL",
    "DISCARD ALL",
    "SELECT set_config('authority.confirm_prod_migrations', 'true', false)",
    "SELECT set_config('authority.confirm_prod_migrations', 'true', true)",
    "SELECT set_config('authority.confirm_prod_migrations', 'false', false)",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT a",
    "SAVEPOINT b",
    "RELEASE a",
    "ROLLBACK TO a",
    "ROLLBACK TO b",
    "SELECT f()",
    "DO $$ BEGIN NULL; END $$",
    "CALL p()",
    "COPY t FROM STDIN",
    "COPY t TO STDOUT",
    "",
    "SELEC",
    "CREATE TEMP TABLE a (i int)",
    "DROP TABLE a",
    "CREATE TABLE a (i int)",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "GRANT SELECT ON t TO r",
    "PREPARE s AS INSERT INTO t VALUES (1)",
    "EXECUTE s",
    "DEALLOCATE s",
    "DEALLOCATE ALL",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH c",
    "CLOSE c",
    "CLOSE ALL",
    "SET default_transaction_read_only = off",
    "SET TRANSACTION READ WRITE",
    "BEGIN READ WRITE",
    "SET search_path = pg_temp, public",
    "SET authority.ticket = 'OPS-1'",
    "SET client_encoding = 'LATIN1'",
    "SELECT 'a\\'",
    "UPDATE alembic_version SET version_num = 'b'",
    "BEGIN; SET LOCAL authority.confirm_prod_migrations = true; DROP TABLE t; COMMIT",
    "SET authority.confirm_prod_migrations = true; DROP TABLE t",
    "SELECT 1; COPY t FROM STDIN; SELECT 1; COPY t FROM STDIN",
    "ROLLBACK TO a; DROP TABLE t",
    "COMMIT; DROP TABLE t",
    "BEGIN; SAVEPOINT a; SET authority.confirm_prod_migrations = true; ROLLBACK TO a; DROP TABLE t",
    "VACUUM t",
    "PREPARE TRANSACTION 'x'",
    "CREATE INDEX CONCURRENTLY ON t (i)",
];

/// Names of statements and portals.
const NAMES: &[&[u8]] = &[b"", b"s", b"c", b"a\xe9", b"pgauthority look"];

/// The fuzzer's choices; when its bytes are used up, every choice is the first.
pub struct Choices<'d>(Unstructured<'d>);

impl<'d> Choices<'d> {
    pub fn new(data: &'d [u8]) -> Self {
        Choices(Unstructured::new(data))
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// One of `count`.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    /// It happens once in `count` times.
    pub fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Up to `most` bytes as they stand.
    pub fn bytes(&mut self, most: usize) -> &'d [u8] {
        let length = (usize::from(self.byte()) << 8 | usize::from(self.byte())) % (most + 1);
        self.0.bytes(length.min(self.0.len())).unwrap_or_default()
    }

    fn text(&mut self) -> Vec<u8> {
        match self.below(TEXTS.len() + 4) {
            at if at < TEXTS.len() => TEXTS[at].into(),
            at if at == TEXTS.len() => {
                self.bytes(200).iter().copied().filter(|b| *b != 0).collect()
            }
            _ => format!("{};{}", self.of(TEXTS), self.of(TEXTS)).into(),
        }
    }
}

/// Appends one message of a client's, or a few that go together.
pub fn client(choices: &mut Choices<'_>, copying: bool, out: &mut BytesMut) {
    let kind = if copying { 11 + choices.below(3) } else { choices.below(14) };
    match kind {
        0..=2 => {
            let text = choices.text();
            query(out, &text);
        }
        3 | 4 => {
            let (text, name) = (choices.text(), choices.of(NAMES));
            parse(out, name, &text);
            bind(out, name, name, choices.bytes(0));
            execute(out, name, 0);
            if choices.below(2) == 0 {
                frame(out, frontend::SYNC, |_| {});
            }
        }
        5 => {
            let (text, name) = (choices.text(), choices.of(NAMES));
            parse(out, name, &text);
        }
        6 => {
            let (portal, name) = (choices.of(NAMES), choices.of(NAMES));
            bind(out, portal, name, choices.bytes(3000));
        }
        7 => execute(out, choices.of(NAMES), choices.below(2) as u32),
        8 => {
            let kind = choices.of(&[frontend::DESCRIBE, frontend::CLOSE]);
            let (what, name) = (choices.of(b"SP"), choices.of(NAMES));
            frame(out, kind, |body| {
                body.put_u8(what);
                put_cstring(body, name);
            });
        }
        9 => frame(out, frontend::SYNC, |_| {}),
        10 => frame(out, frontend::FLUSH, |_| {}),
        11 => frame(out, frontend::COPY_DATA, |body| body.put_slice(choices.bytes(50))),
        12 => {
            frame(out, choices.of(&[frontend::COPY_DONE, frontend::SYNC, frontend::FLUSH]), |_| {})
        }
        _ if copying => frame(out, frontend::COPY_FAIL, |body| put_cstring(body, b"no")),
        _ => frame(out, frontend::FUNCTION_CALL, |body| {
            body.put_u32(choices.of(&[952, 2000, 20_000]));
            body.put_slice(&[0; 6]);
        }),
    }
}

pub fn query(out: &mut BytesMut, text: &[u8]) {
    frame(out, frontend::QUERY, |body| put_cstring(body, text));
}

fn parse(out: &mut BytesMut, name: &[u8], text: &[u8]) {
    frame(out, frontend::PARSE, |body| {
        put_cstring(body, name);
        put_cstring(body, text);
        body.put_u16(0);
    });
}

fn bind(out: &mut BytesMut, portal: &[u8], statement: &[u8], value: &[u8]) {
    frame(out, frontend::BIND, |body| {
        put_cstring(body, portal);
        put_cstring(body, statement);
        body.put_u16(0);
        body.put_u16(u16::from(!value.is_empty()));
        if !value.is_empty() {
            body.put_u32(value.len() as u32);
            body.put_slice(value);
        }
        body.put_u16(0);
    });
}

fn execute(out: &mut BytesMut, portal: &[u8], most: u32) {
    frame(out, frontend::EXECUTE, |body| {
        put_cstring(body, portal);
        body.put_u32(most);
    });
}
