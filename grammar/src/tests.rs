//! The grammar as the rest of pgauthority relies on it.

use super::*;

fn tags(text: &str) -> Vec<u16> {
    let tree = parse(text.as_bytes()).unwrap();
    tree.statements().filter_map(|raw| raw.node(field::stmt)).map(Node::tag).collect()
}

fn below(text: &str, wanted: u16) -> usize {
    let tree = parse(text.as_bytes()).unwrap();
    tree.statements().flat_map(Node::descendants).filter(|node| node.tag() == wanted).count()
}

#[test]
fn statements_come_in_order_with_their_places() {
    assert_eq!(tags("SELECT 1; ; DROP TABLE t;"), [tag::SelectStmt, tag::DropStmt]);
    let tree = parse(b"  SELECT 1 ; /* x */ DROP TABLE t").unwrap();
    let places: Vec<_> =
        tree.statements().map(|s| (s.int(field::stmt_location), s.int(field::stmt_len))).collect();
    assert_eq!(places.len(), 2);
    assert_eq!(parse(b" -- nothing").unwrap().statements().count(), 0);
}

#[test]
fn fields_are_read_by_name() {
    let tree = parse(b"SELECT lower('x'), 7, -8, 99999999999, true, NULL FROM \"T\".u FOR UPDATE")
        .unwrap();
    let select = tree.statements().next().unwrap().node(field::stmt).unwrap();
    assert_eq!(select.tag(), tag::SelectStmt);
    assert_eq!(select.list(field::targetList).count(), 6);
    assert_eq!(select.list(field::lockingClause).count(), 1);
    let from = select.list(field::fromClause).next().unwrap();
    assert_eq!(from.tag(), tag::RangeVar);
    assert_eq!(from.bytes(field::schemaname), Some(&b"T"[..]));
    assert_eq!(from.bytes(field::relname), Some(&b"u"[..]));
    assert_eq!(from.char(field::relpersistence), b'p');
    let call = select.descendants().find(|node| node.tag() == tag::FuncCall).unwrap();
    let name = call.list(field::funcname).next().unwrap();
    assert_eq!(name.bytes(field::sval), Some(&b"lower"[..]));
    let constants: Vec<_> = select
        .descendants()
        .filter(|node| node.tag() == tag::A_Const)
        .map(|node| node.node(field::val).map(Node::tag))
        .collect();
    assert!(constants.contains(&Some(tag::Float)) && constants.contains(&None));
}

#[test]
fn statements_are_found_wherever_they_nest() {
    for text in [
        "EXPLAIN ANALYZE DELETE FROM t",
        "PREPARE p AS DELETE FROM t",
        "COPY (DELETE FROM t RETURNING 1) TO STDOUT",
        "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
        "SELECT 1 WHERE EXISTS (WITH x AS (DELETE FROM t RETURNING 1) SELECT 1)",
        "CREATE VIEW v AS WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
        "CREATE RULE r AS ON INSERT TO t DO INSTEAD (NOTIFY n; DELETE FROM t)",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM t; SELECT 1; END",
        "CREATE TABLE n AS WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
        "DECLARE c CURSOR FOR WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
        "SELECT 1 UNION (WITH x AS (DELETE FROM t RETURNING 1) SELECT 1)",
    ] {
        assert_eq!(below(text, tag::DeleteStmt), 1, "{text}");
    }
    for text in [
        "SELECT count(*) OVER (PARTITION BY f())",
        "SELECT count(*) FILTER (WHERE f()) OVER (ORDER BY 1 ROWS f() PRECEDING)",
        "SELECT * FROM t TABLESAMPLE system (f())",
        "SELECT * FROM ROWS FROM (f(), g()) AS x",
        "SELECT * FROM XMLTABLE('/x' PASSING f() COLUMNS a text DEFAULT f())",
        "SELECT * FROM JSON_TABLE(f(), '$' COLUMNS (a int PATH '$.a' DEFAULT f() ON EMPTY))",
        "SELECT JSON_VALUE('{}', '$' PASSING f() AS x)",
        "INSERT INTO t VALUES (1) ON CONFLICT (f()) WHERE f() DO UPDATE SET a = f() WHERE f()",
        "MERGE INTO t USING s ON f() WHEN MATCHED AND f() THEN UPDATE SET a = f()",
        "UPDATE t SET (a, b) = (SELECT f(), 1) FROM g() RETURNING f()",
        "ALTER TABLE t ADD COLUMN c int DEFAULT f() CHECK (f())",
        "CREATE TABLE t (a int DEFAULT f(), EXCLUDE USING gist (f() WITH =) WHERE (f()))",
        "CREATE TABLE t PARTITION OF u FOR VALUES IN (f())",
        "CREATE INDEX ON t (f(), a) WHERE f()",
        "CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW WHEN (f()) EXECUTE FUNCTION g()",
        "CREATE POLICY p ON t USING (f()) WITH CHECK (f())",
        "CREATE DOMAIN d AS int DEFAULT f() CHECK (f())",
        "CREATE FUNCTION x(a int DEFAULT f()) RETURNS int RETURN f()",
        "EXECUTE p (f())",
        "CALL p (f())",
        "SELECT a[f()], ARRAY[f()], ROW(f()), CASE WHEN f() THEN 1 END, f() IS NULL, f()::int",
        "VALUES (f()) LIMIT f() OFFSET f()",
        "CREATE STATISTICS s ON f(), a FROM t",
        "CREATE PUBLICATION p FOR TABLE t WHERE (f())",
        "CREATE FOREIGN TABLE t (a int DEFAULT f()) SERVER s",
        "CREATE SCHEMA s CREATE TABLE t (a int DEFAULT f())",
    ] {
        assert!(below(text, tag::FuncCall) > 0, "{text}");
    }
}

#[test]
fn what_the_grammar_refuses_is_an_error() {
    let error = parse(b"SELECT 1 FRM t WHERE").unwrap_err();
    assert_eq!(
        (error.message.as_str(), error.position),
        ("syntax error at or near \"t\"", Some(14))
    );
    assert!(parse(b"SELECT 1\0; DROP TABLE t").is_err());
    assert!(parse(b"SELECT 'unterminated").is_err());
}

#[test]
fn text_that_is_not_utf8_is_judged_or_refused() {
    let tree = parse(b"INSERT INTO t VALUES ('\xe9\xff')").unwrap();
    assert_eq!(tree.statements().count(), 1);
    // in every place where the lexer looks at characters: errors, long names, escapes
    for text in [
        &b"SELECT \xff\xfe FRM x y z"[..],
        b"SELECT '\xe9' FRM t u v",
        b"SELECT \xf0",
        b"SELECT \xf0\x9f \xe2 x y",
        b"SELECT E'\\xff'",
        b"SELECT U&'\\d800'",
        b"SELECT U&\"\\00e9\xff\"",
        b"\xff",
    ] {
        let _ = parse(text);
    }
    let long = [b"SELECT ".as_slice(), &[0xf0; 200], b" FRM x y z"].concat();
    assert!(parse(&long).is_err());
    assert!(parse(&[b"SELECT ".as_slice(), &[0xe9; 200]].concat()).is_ok());
}

/// Runs on a thread with as much stack as a worker has.
fn on_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn deep_text_is_an_error_and_no_crash() {
    on_small_stack(|| {
        for depth in [10_000, 100_000] {
            let deep = |open: &str, middle: &str, close: &str| {
                format!("SELECT {}{middle}{}", open.repeat(depth), close.repeat(depth))
            };
            for text in [
                deep("(", "1", ")"),
                deep("1+", "1", ""),
                deep("", "1", "+1"),
                deep("NOT ", "true", ""),
                deep("- ", "1", ""),
                deep("f(", "1", ")"),
                deep("(SELECT ", "1", ")"),
                deep("ARRAY[", "1", "]"),
                deep("CASE WHEN true THEN ", "1", " END"),
                deep("1 UNION SELECT ", "1", ""),
                deep("", "1", "::int"),
                deep("", "a", "[1]"),
                deep("", "a", ".b"),
                deep("1 FROM (SELECT ", "1", ") x"),
                deep("1 FROM a JOIN ", "b", " ON true"),
                deep("1 FROM a", "", " CROSS JOIN b"),
            ] {
                let _ = parse(text.as_bytes());
            }
        }
        assert!(
            parse(format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)).as_bytes())
                .is_err()
        );
        // what people really write
        assert!(parse(format!("SELECT {}'x'", "a || ".repeat(1_000)).as_bytes()).is_ok());
    });
}

#[test]
fn a_plpgsql_body_gives_every_text_it_runs() {
    let body = "
        DECLARE a int := f1();
                r record := f2();
                c CURSOR (x int) FOR SELECT f3(x);
                n text;
        BEGIN
          a := f4(); a[1] := f5();
          IF f6() THEN PERFORM f7(); ELSIF f8() THEN NULL; ELSE DELETE FROM t; END IF;
          CASE f9() WHEN f10() THEN NULL; ELSE NULL; END CASE;
          WHILE f11() LOOP EXIT WHEN f12(); END LOOP;
          FOR i IN f13()..f14() BY f15() LOOP NULL; END LOOP;
          FOR r IN SELECT f16() LOOP NULL; END LOOP;
          FOR r IN c (f17()) LOOP NULL; END LOOP;
          FOREACH a IN ARRAY f18() LOOP NULL; END LOOP;
          FOR r IN EXECUTE f19() USING f20() LOOP NULL; END LOOP;
          OPEN c (f21());
          FETCH RELATIVE f22() FROM c INTO r;
          EXECUTE f23() INTO r USING f24();
          RAISE NOTICE '%', f25() USING HINT = f26();
          ASSERT f27(), f28();
          SELECT f29() INTO n;
          CALL p(f30());
          GET DIAGNOSTICS a = ROW_COUNT;
          BEGIN NULL; EXCEPTION WHEN others THEN PERFORM f31(); END;
          COMMIT;
        END";
    let found = parse_plpgsql(body).unwrap();
    let all: String =
        found.iter().map(|e| String::from_utf8_lossy(&e.query).into_owned() + "\n").collect();
    for number in 1..=31 {
        assert!(all.contains(&format!("f{number}(")), "f{number} in\n{all}");
    }
    assert!(all.contains("DELETE FROM t"));
    assert_eq!(found.iter().filter(|e| e.dynamic).count(), 2);
    for expression in &found {
        parse_mode(&expression.query, expression.mode).unwrap();
    }
}

#[test]
fn what_a_body_does_beside_its_texts_is_seen() {
    for (body, fetches, sets_field) in [
        ("DECLARE c CURSOR FOR SELECT 1; n int; BEGIN OPEN c; FETCH c INTO n; END", false, false),
        ("DECLARE c CURSOR FOR SELECT 1; n int; BEGIN FETCH c INTO n; END", true, false),
        ("DECLARE c CURSOR FOR SELECT 1; BEGIN MOVE c; END", true, false),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN IF f() THEN OPEN c; END IF; MOVE c; END",
            true,
            false,
        ),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN IF f() THEN OPEN c; MOVE c; END IF; END",
            false,
            false,
        ),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN IF f() THEN OPEN c; ELSE MOVE c; END IF; END",
            true,
            false,
        ),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN LOOP OPEN c; MOVE c; CLOSE c; END LOOP; END",
            false,
            false,
        ),
        ("DECLARE c CURSOR FOR SELECT 1; BEGIN LOOP MOVE c; OPEN c; END LOOP; END", true, false),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN BEGIN OPEN c; EXCEPTION WHEN OTHERS THEN MOVE c; END; END",
            true,
            false,
        ),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN <<b>> BEGIN EXIT b WHEN f(); OPEN c; END; MOVE c; END",
            true,
            false,
        ),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN FOR r IN c LOOP MOVE c; END LOOP; END",
            false,
            false,
        ),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN FOR r IN c LOOP NULL; END LOOP; MOVE c; END",
            true,
            false,
        ),
        (
            "DECLARE c CURSOR FOR SELECT 1; BEGIN OPEN c; IF f() THEN MOVE c; END IF; MOVE c; END",
            false,
            false,
        ),
        (
            "DECLARE c refcursor; n int; BEGIN OPEN c FOR SELECT 1; FETCH c INTO n; END",
            false,
            false,
        ),
        (
            "DECLARE c refcursor := 'a'; n int; BEGIN OPEN c FOR SELECT 1; FETCH c INTO n; END",
            true,
            false,
        ),
        (
            "DECLARE c refcursor; n int; BEGIN OPEN c FOR SELECT 1; c := 'a'; FETCH c INTO n; END",
            true,
            false,
        ),
        (
            "DECLARE c refcursor; n int; BEGIN OPEN c FOR SELECT 1; SELECT 'a' INTO c; FETCH c INTO n; END",
            true,
            false,
        ),
        ("DECLARE r record; BEGIN r := f(); RAISE NOTICE '%', r.a; END", false, false),
        ("DECLARE r record; BEGIN r.a := 1; END", false, true),
        ("DECLARE r record; BEGIN SELECT 1 INTO r.a; END", false, true),
        ("DECLARE r record; BEGIN GET DIAGNOSTICS r.a = ROW_COUNT; END", false, true),
    ] {
        let found = parse_plpgsql(body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(found.iter().any(|one| one.fetches), fetches, "{body}");
        assert_eq!(found.iter().any(|one| one.sets_field), sets_field, "{body}");
    }
}

#[test]
fn routines_of_every_kind_compile() {
    for (head, body, count) in [
        ("FUNCTION f(\"a b\" text, text) RETURNS text", "BEGIN RETURN f1($1 || \"a b\"); END", 1),
        ("FUNCTION f(x record) RETURNS void", "BEGIN x.a := f1(); RETURN; END", 1),
        (
            "FUNCTION f() RETURNS SETOF text",
            "BEGIN RETURN NEXT f1(); RETURN QUERY SELECT f2(); END",
            2,
        ),
        (
            "FUNCTION f(OUT a text, OUT b text) RETURNS SETOF record",
            "BEGIN a := f1(); RETURN NEXT; RETURN QUERY EXECUTE f2() USING f3(); END",
            3,
        ),
        ("FUNCTION f(INOUT a text) RETURNS text", "BEGIN a := f1(); END", 1),
        (
            "FUNCTION f() RETURNS record",
            "DECLARE r t%ROWTYPE; BEGIN SELECT f1() INTO r; RETURN r; END",
            1,
        ),
        (
            "FUNCTION f() RETURNS trigger",
            "BEGIN NEW.x := f1(OLD.y, TG_OP, TG_ARGV[0]); RETURN NEW; END",
            1,
        ),
        ("FUNCTION f() RETURNS event_trigger", "BEGIN PERFORM f1(tg_tag); END", 1),
        ("PROCEDURE f(INOUT a text, b text)", "BEGIN COMMIT; CALL f1(b); a := 1; END", 2),
    ] {
        let text = format!("CREATE {head} LANGUAGE plpgsql AS '{}'", body.replace('\'', "''"));
        let found = parse_plpgsql_routine(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let called = found
            .iter()
            .filter(|e| {
                e.query.windows(3).any(|w| w[0] == b'f' && w[1].is_ascii_digit() && w[2] == b'(')
            })
            .count();
        assert!(called >= 1 && found.len() >= count, "{text}: {found:?}");
        assert!(parse_plpgsql_routine(&text.replace("BEGIN", "BEGN")).is_err());
    }
    assert!(parse_plpgsql_routine("SELECT 1").is_err());
    assert!(parse_plpgsql_routine("").is_err());
    assert!(parse_plpgsql_routine("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql").is_err());
}

#[test]
fn no_body_is_printed() {
    for body in [
        "#option dump\nBEGIN END",
        " /* a /* b */ */ -- c\r\n\t#variable_conflict error\n # OPTION DuMp\nBEGIN END",
        "--\n#option/**/dump BEGIN END",
    ] {
        assert!(parse_plpgsql(body).is_err(), "{body}");
        let routine = format!("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS '{body}'");
        assert!(parse_plpgsql_routine(&routine).is_err(), "{body}");
    }
    for body in
        ["BEGIN PERFORM dump(); END", "#variable_conflict error\nBEGIN END", "-- #dump\nBEGIN END"]
    {
        assert!(parse_plpgsql(body).is_ok(), "{body}");
    }
    assert!(
        parse_plpgsql("--").is_err() && parse_plpgsql("/*").is_err() && parse_plpgsql("-").is_err()
    );
}

#[test]
fn plpgsql_never_ends_the_process() {
    on_small_stack(|| {
        for body in [
            String::new(),
            "BEGIN".into(),
            "BEGIN PERFORM; END".into(),
            "DECLARE x nosuchtype; y t.c%TYPE; z u%ROWTYPE; w public.v%ROWTYPE; BEGIN END".into(),
            "DECLARE x int[][]; BEGIN x[1][2] := 1; END".into(),
            "BEGIN ".repeat(100_000),
            format!("{}{}", "BEGIN ".repeat(50_000), "END; ".repeat(50_000)),
            format!("{}{}", "BEGIN ".repeat(1_500), "END; ".repeat(1_500)),
            format!("BEGIN {}NULL;{} END", "IF true THEN ".repeat(1_500), " END IF;".repeat(1_500)),
            format!(
                "BEGIN IF true THEN NULL; {} END IF; END",
                "ELSIF true THEN NULL; ".repeat(20_000)
            ),
            format!("BEGIN x := {}1; END", "(".repeat(100_000)),
            format!("BEGIN x := {}1; END", "1+".repeat(100_000)),
            format!("DECLARE x int := {}1; BEGIN END", "1+".repeat(100_000)),
            "BEGIN RAISE NOTICE '%'; END".into(),
            "BEGIN GOTO x; END".into(),
            "BEGIN \u{e9} := 1; SELECT '\u{1F600}' FRM x y z; END".into(),
            "<<l>> BEGIN EXIT l; CONTINUE m; END".into(),
            "DECLARE a ALIAS FOR $1; BEGIN END".into(),
            "#option dump\nBEGIN END".into(),
            "#print_strict_params on\nBEGIN END".into(),
            "BEGIN RETURN QUERY SELECT 1; RETURN NEXT 1; END".into(),
        ] {
            let _ = parse_plpgsql(&body);
        }
        // and the thread is still in order
        assert_eq!(parse_plpgsql("BEGIN PERFORM f(); END").unwrap().len(), 1);
        assert!(parse(b"SELECT 1").is_ok());
    });
}
