//! Names in another client encoding than UTF8: the server converts them before it looks them up, so
//! the same bytes are another name there.

use super::support::proxy::PROD;
use super::support::wire::Frames;
use super::support::{Cluster, Proxy, Wire};

/// `é` in UTF8 is `Ã©` in LATIN1: of each pair the first is harmless.
const PAIRS: &str = "
    CREATE TABLE made (a int);
    CREATE FUNCTION \"é\"() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
    CREATE FUNCTION \"Ã©\"() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN CREATE TABLE trace (a int); RETURN 1; END $$;
    CREATE VIEW \"vé\" AS SELECT 1 AS a;
    CREATE VIEW \"vÃ©\" AS SELECT \"Ã©\"() AS a;
    CREATE TABLE \"tÃ©\" (a int);
    GRANT ALL ON SCHEMA public TO app;
    GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
    ALTER TABLE \"tÃ©\" OWNER TO app;";

struct Ground {
    cluster: Cluster,
    proxy: Proxy,
}

impl Ground {
    fn new() -> Ground {
        let cluster = Cluster::builder().start();
        cluster.sql("app", PAIRS);
        let proxy =
            Proxy::builder().upstream("prod", PROD, &cluster).trusted("prod", "prod", "").start();
        Ground { cluster, proxy }
    }

    /// A session that speaks `encoding`: from the start, or by SET.
    fn session(&self, from_the_start: bool) -> Wire {
        let login = self.proxy.login("prod");
        if from_the_start {
            return self.proxy.try_connect(&login.parameter("client_encoding", "LATIN1")).unwrap();
        }
        let mut wire = self.proxy.try_connect(&login).unwrap();
        wire.sql("SET client_encoding = 'LATIN1'");
        wire
    }

    fn is_untouched(&self) {
        let left = "SELECT to_regclass('trace') IS NULL AND to_regclass('\"tÃ©\"') IS NOT NULL";
        assert_eq!(self.cluster.value("app", left), "t");
    }
}

/// The rule that refused these bytes.
fn refused(wire: &mut Wire, text: &[u8]) -> String {
    let messages = wire.exchange(&Frames::new().query_bytes(text));
    let error = messages.iter().find(|one| one.tag == b'E');
    let error = error.unwrap_or_else(|| panic!("ran: {}", String::from_utf8_lossy(text))).fields();
    error.detail().split(',').next().unwrap_or_default().replace("rule ", "")
}

#[test]
fn a_routine_of_another_name_is_not_looked_up() {
    let ground = Ground::new();
    for from_the_start in [true, false] {
        let mut wire = ground.session(from_the_start);
        for text in ["SELECT \"é\"()", "SELECT * FROM \"vé\"", "SELECT a.\"é\" FROM made a"] {
            let rule = refused(&mut wire, text.as_bytes());
            assert_eq!(rule, "prod.opaque_unconfirmed", "{text}");
        }
        ground.is_untouched();
        // the same in LATIN1's own bytes, which are no UTF-8
        assert_eq!(refused(&mut wire, b"SELECT \"\xc3\xa9\"()"), "prod.opaque_unconfirmed");
        // what has no such name runs
        assert_eq!(wire.value("SELECT count(*) FROM made"), "0");
    }
    let mut wire = ground.proxy.connect("prod");
    assert_eq!(wire.value("SELECT \"é\"()"), "1");
    ground.is_untouched();
}

#[test]
fn a_temporary_table_lends_its_name_to_no_other() {
    let ground = Ground::new();
    let mut wire = ground.proxy.connect("prod");
    wire.sql("CREATE TEMP TABLE \"té\" (a int)");
    wire.sql("SET client_encoding = 'LATIN1'");
    assert_eq!(refused(&mut wire, "DROP TABLE \"té\"".as_bytes()), "prod.ddl_unconfirmed");
    ground.is_untouched();
}

/// A statement prepared in UTF8, and another one under the bytes of its name.
#[test]
fn a_prepared_name_is_not_taken_for_another() {
    let ground = Ground::new();
    let login = ground.proxy.login("prod").options(super::law::CONFIRM_OPTION);
    let mut wire = ground.proxy.try_connect(&login).unwrap();
    // confirmed: "Ã©" is DDL; then no longer
    let drops = "DROP TABLE \"tÃ©\"";
    wire.exchange(&Frames::new().parse("Ã©", drops, &[]).sync());
    wire.exchange(&Frames::new().parse("é", "SELECT 1", &[]).sync());
    wire.sql("SET authority.confirm_prod_migrations = off");
    wire.sql("SET client_encoding = 'LATIN1'");
    let messages = wire.exchange(&Frames::new().bind("", "é", &[]).execute("", 0).sync());
    let error = messages.iter().find(|one| one.tag == b'E').expect("refused").fields();
    assert!(error.detail().starts_with("rule lexing.unsafe"), "{error:?}");
    ground.is_untouched();
}
