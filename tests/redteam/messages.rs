//! The protocol's messages: names that change their meaning, denied messages and what follows them,
//! COPY, the fastpath, lengths that lie.

use super::attack::{Attack, SKIPPED, assault, messages};
use super::ground::Ground;
use super::support::wire::Frames;
use super::support::{Major, Wire};

const GONE: &str = "-relation public.victims";
const ROW: &str = "+row public.victims";
const DROP: &str = "DROP TABLE victims";

pub const ATTACKS: &[Attack] = &[
    messages(
        "a harmless and a harmful Parse before one Sync",
        |_| {
            vec![
                f().parse("", "SELECT 1", &[])
                    .parse("", DROP, &[])
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a harmful Parse, then a harmless one of the same name",
        |_| {
            vec![
                f().parse("", DROP, &[])
                    .bind("p", "", &[])
                    .parse("", "SELECT 1", &[])
                    .execute("p", 0)
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "the same name parsed again behind a Close",
        |_| {
            vec![
                f().parse("s", "SELECT 1", &[]).sync(),
                f().close_statement("s")
                    .parse("s", DROP, &[])
                    .bind("", "s", &[])
                    .execute("", 0)
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "the same name parsed again behind DEALLOCATE",
        |_| {
            vec![
                f().parse("s", "SELECT 1", &[]).sync(),
                f().query("DEALLOCATE s"),
                f().parse("s", DROP, &[]).sync().bind("", "s", &[]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "the same name parsed again behind DISCARD ALL",
        |_| {
            vec![
                f().parse("s", "SELECT 1", &[]).sync(),
                f().query("DISCARD ALL"),
                f().parse("s", DROP, &[]).sync().bind("", "s", &[]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a Parse that fails under a name that stays",
        |_| {
            vec![
                f().parse("s", "SELECT drop_it()", &[]).sync().parse("s", "SELECT 1", &[]).sync(),
                f().bind("", "s", &[]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "names that differ behind 63 bytes",
        |_| {
            let (a, b) = (format!("{}a", "n".repeat(63)), format!("{}b", "n".repeat(63)));
            vec![
                f().parse(&a, "SELECT 1", &[]).sync(),
                f().close_statement(&b).parse(&b, DROP, &[]).sync(),
                f().bind("", &a, &[]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a SQL PREPARE whose name is cut",
        |_| {
            let name = "n".repeat(63);
            vec![
                f().query(&format!("PREPARE {name}x AS SELECT drop_it()")),
                f().bind("", &name, &[]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a denied Parse followed by Bind, Execute and Flush",
        |_| vec![f().parse("s", DROP, &[]).bind("", "s", &[]).execute("", 0).flush().sync()],
        GONE,
    ),
    messages(
        "a denied Parse, a Sync, then Bind and Execute",
        |_| vec![f().parse("s", DROP, &[]).sync(), f().bind("", "s", &[]).execute("", 0).sync()],
        GONE,
    ),
    messages(
        "a denied Parse, no Sync, then a Query",
        |_| {
            let pipeline = f().parse("s", DROP, &[]).query("SELECT 1").sync();
            vec![skipped(pipeline), f().query("EXECUTE s")]
        },
        GONE,
    )
    .until(Major::V17),
    messages(
        "a denied Parse of the unnamed statement behind another",
        |_| {
            vec![
                f().parse("", "SELECT 1", &[])
                    .bind("p", "", &[])
                    .parse("", DROP, &[])
                    .bind("", "", &[])
                    .execute("", 0)
                    .execute("p", 0)
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a denied Query, then one that was pipelined behind it",
        |_| vec![f().query("VACUUM FULL victims").query(DROP).query(DROP)],
        GONE,
    ),
    messages(
        "a Query behind an open pipeline",
        |_| vec![f().run("SELECT 1", &[]).query(DROP).sync()],
        GONE,
    )
    .until(Major::V17),
    messages(
        "a Bind of what SQL prepared",
        |_| {
            vec![
                f().query("PREPARE s AS SELECT drop_it()"),
                f().bind("", "s", &[]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "an EXECUTE of what Parse prepared",
        |_| vec![f().parse("s", "SELECT drop_it()", &[]).sync(), f().query("EXECUTE s")],
        GONE,
    ),
    messages(
        "an EXECUTE of a utility statement that Parse prepared",
        |_| vec![f().parse("s", DROP, &[]).sync(), f().query("EXECUTE s")],
        GONE,
    ),
    messages(
        "an EXECUTE of it inside EXPLAIN ANALYZE",
        |_| {
            vec![
                f().parse("s", "SELECT drop_it()", &[]).sync(),
                f().query("EXPLAIN ANALYZE EXECUTE s"),
            ]
        },
        GONE,
    ),
    messages(
        "an Execute of a cursor that SQL declared",
        |_| {
            vec![
                f().query("BEGIN"),
                f().query("DECLARE c CURSOR FOR SELECT drop_it()"),
                f().execute("c", 0).sync(),
                f().query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a FETCH of a portal that Bind made",
        |_| {
            vec![
                f().query("BEGIN"),
                f().parse("", "SELECT drop_it()", &[]).bind("c", "", &[]).sync(),
                f().query("FETCH ALL c"),
                f().query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a portal run by halves",
        |_| {
            vec![
                f().parse(
                    "",
                    "SELECT n, CASE n WHEN 2 THEN drop_it() END FROM generate_series(1, 3) n",
                    &[],
                )
                .bind("p", "", &[])
                .execute("p", 1)
                .execute("p", 1)
                .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "an Execute of a cursor that a routine opens",
        |_| {
            vec![
                f().query("BEGIN"),
                f().query("SELECT open_it()"),
                f().execute("c", 0).sync(),
                f().query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a temporary table dropped by EXECUTE twice",
        |_| {
            vec![
                f().query("CREATE TEMP TABLE victims (n int)"),
                f().parse("s", DROP, &[]).sync(),
                f().query("EXECUTE s"),
                f().query("EXECUTE s"),
            ]
        },
        GONE,
    ),
    messages(
        "a portal with the name of a closed cursor",
        |_| {
            vec![
                f().query("BEGIN"),
                f().query("DECLARE c CURSOR FOR SELECT 1"),
                f().query("CLOSE c"),
                f().parse("", "SELECT drop_it()", &[]).bind("c", "", &[]).execute("c", 0).sync(),
                f().query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a Parse for a type that is checked",
        |ground| {
            let oid = ground.value("SELECT 'checked'::regtype::oid").parse().unwrap();
            vec![
                f().parse("", "SELECT $1", &[oid]).bind("", "", &[Some("1")]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a Parse that leaves the type to the server",
        |_| {
            vec![
                f().parse("", "SELECT $1::checked", &[])
                    .bind("", "", &[Some("1")])
                    .execute("", 0)
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "several statements in one Parse",
        |_| vec![f().run("SELECT 1; DROP TABLE victims", &[]).sync()],
        GONE,
    )
    .nearest(&["SELECT 1; DROP TABLE victims"]),
    messages(
        "DDL between two harmless ones of a pipeline",
        |_| vec![f().run("SELECT 1", &[]).run(DROP, &[]).run("SELECT 2", &[]).sync()],
        GONE,
    ),
    messages(
        "a transaction in a pipeline",
        |_| vec![f().run("BEGIN", &[]).run(DROP, &[]).run("COMMIT", &[]).sync()],
        GONE,
    ),
    messages(
        "DDL behind a COMMIT in a pipeline",
        |_| vec![f().run("BEGIN READ ONLY", &[]).run("COMMIT", &[]).run(DROP, &[]).sync()],
        GONE,
    ),
    messages(
        "the catalog missed in the middle of a pipeline",
        |_| {
            vec![
                f().run("SELECT 1", &[])
                    .run("SELECT drop_it()", &[])
                    .run("SELECT drop_it(1)", &[])
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a routine made and run in one pipeline",
        |_| {
            vec![
        f().run("CREATE OR REPLACE FUNCTION pg_temp.x() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE victims; RETURN 1; END'", &[])
            .run("SELECT pg_temp.x()", &[]).sync()]
        },
        GONE,
    ),
    // COPY
    messages(
        "a Query during COPY",
        |_| vec![f().query("COPY victims FROM STDIN").query(DROP).copy_done()],
        GONE,
    )
    .nearest_messages(|_| vec![f().query("COPY victims FROM STDIN").copy_done().query(DROP)]),
    messages(
        "a Parse during COPY",
        |_| vec![f().query("COPY victims FROM STDIN").run(DROP, &[]).copy_fail("x").sync()],
        GONE,
    )
    .nearest_messages(|_| {
        vec![f().query("COPY victims FROM STDIN").copy_fail("x").run(DROP, &[]).sync()]
    }),
    messages(
        "a FunctionCall during COPY",
        |_| vec![f().query("COPY victims FROM STDIN").function_call(964, &["4242"]).copy_fail("x")],
        "-large object 4242",
    )
    .nearest_messages(|_| {
        vec![f().query("COPY victims FROM STDIN").copy_fail("x").function_call(964, &["4242"])]
    }),
    messages(
        "a Query during a COPY that Execute began",
        |_| vec![skipped(begun().query(DROP).copy_done().sync())],
        GONE,
    )
    .nearest_messages(|_| vec![begun().copy_done().sync().query(DROP)]),
    messages(
        "a Query during a COPY that Execute began, data behind it",
        |_| {
            let pipeline = begun().copy_data(b"9\tx\n").query(DROP).copy_data(b"8\tx\n");
            vec![skipped(pipeline.copy_fail("x").sync()), f().query("SELECT 1")]
        },
        GONE,
    )
    .nearest_messages(|_| vec![begun().copy_fail("x").sync().query(DROP)]),
    messages(
        "a Parse during a COPY that Execute began",
        |_| vec![begun().run(DROP, &[]).copy_done().sync(), f().query("SELECT 1")],
        GONE,
    )
    .nearest_messages(|_| vec![begun().copy_done().run(DROP, &[]).sync()]),
    messages(
        "a Bind during a COPY that Execute began",
        |_| {
            vec![
                f().parse("s", DROP, &[]).sync(),
                begun().bind("", "s", &[]).execute("", 0).copy_done().sync(),
            ]
        },
        GONE,
    )
    .nearest_messages(|_| {
        vec![
            f().parse("s", DROP, &[]).sync(),
            begun().copy_done().bind("", "s", &[]).execute("", 0).sync(),
        ]
    }),
    messages(
        "a FunctionCall during a COPY that Execute began",
        |ground| {
            let oid = ground.value("SELECT 'drop_it()'::regprocedure::oid").parse().unwrap();
            vec![skipped(begun().function_call(oid, &[]).copy_done().sync())]
        },
        GONE,
    )
    .nearest_messages(|ground| {
        let oid = ground.value("SELECT 'drop_it()'::regprocedure::oid").parse().unwrap();
        vec![begun().copy_done().sync().function_call(oid, &[])]
    }),
    messages(
        "a Sync during a COPY that Execute began, then a Query",
        |_| {
            let pipeline = begun().sync().flush().query(DROP).copy_done().sync();
            vec![skipped(skipped(pipeline)), f().query("SELECT 1")]
        },
        GONE,
    )
    .nearest_messages(|_| vec![begun().copy_done().sync().query(DROP)]),
    messages(
        "DDL behind a COPY in its string",
        |_| {
            vec![
                f().query("COPY victims FROM STDIN; DROP TABLE victims")
                    .copy_data(b"9\tx\n")
                    .copy_done(),
            ]
        },
        GONE,
    ),
    messages(
        "a message inside CopyData",
        |_| {
            vec![
                f().query("COPY victims FROM STDIN")
                    .copy_data(&f().query(DROP).bytes)
                    .copy_fail("x"),
            ]
        },
        GONE,
    )
    .nearest(&[DROP]),
    messages(
        "a message inside CopyData of a COPY that Execute began",
        |_| vec![begun().copy_data(&f().query(DROP).bytes).copy_done().sync()],
        GONE,
    )
    .nearest(&[DROP]),
    messages(
        "CopyData and CopyDone without COPY",
        |_| vec![f().copy_data(b"9\tx\n").copy_done().query("SELECT 1"), f().query(DROP)],
        GONE,
    ),
    messages(
        "CopyData behind a denied COPY",
        |_| vec![f().query("COPY victims FROM STDIN").copy_data(b"9\tmallory\n").copy_done()],
        ROW,
    )
    .data(),
    messages(
        "CopyData behind a denied COPY of a pipeline",
        |_| {
            vec![
                f().run("COPY victims FROM STDIN", &[])
                    .copy_data(b"9\tmallory\n")
                    .copy_done()
                    .sync(),
            ]
        },
        ROW,
    )
    .data(),
    messages(
        "a COPY denied, then one of a string",
        |_| {
            vec![
                f().query("SELECT 1; COPY victims FROM STDIN")
                    .copy_data(b"9\tmallory\n")
                    .copy_done(),
            ]
        },
        ROW,
    )
    .data(),
    // fastpath
    messages(
        "FunctionCall",
        |ground| {
            let oid = ground.value("SELECT 'drop_it()'::regprocedure::oid").parse().unwrap();
            vec![f().function_call(oid, &[])]
        },
        GONE,
    ),
    messages(
        "FunctionCall of a routine called IMMUTABLE",
        |ground| {
            let oid = ground
                .value("SELECT 'pretends_to_be_immutable()'::regprocedure::oid")
                .parse()
                .unwrap();
            vec![f().function_call(oid, &[])]
        },
        GONE,
    ),
    messages(
        "FunctionCall in a transaction",
        |ground| {
            let oid = ground.value("SELECT 'drop_it()'::regprocedure::oid").parse().unwrap();
            vec![f().query("BEGIN"), f().function_call(oid, &[]), f().query("COMMIT")]
        },
        GONE,
    ),
    messages(
        "FunctionCall behind a pipeline",
        |ground| {
            let oid = ground.value("SELECT 'drop_it()'::regprocedure::oid").parse().unwrap();
            vec![f().run("SELECT 1", &[]).sync().function_call(oid, &[])]
        },
        GONE,
    ),
    messages(
        "FunctionCall of pg_terminate_backend",
        |ground| vec![f().function_call(2096, &[&ground.fill("{bystander}"), "0"])],
        "-bystander",
    ),
    messages(
        "FunctionCall of lo_unlink",
        |_| vec![f().function_call(964, &["4242"])],
        "-large object 4242",
    )
    .data(),
    messages(
        "FunctionCall of lo_put",
        |_| vec![f().function_call(3460, &["4242", "0", "x"])],
        "-large object 4242",
    )
    .data(),
    messages(
        "FunctionCall of lo_export",
        |ground| vec![f().function_call(765, &["4242", &ground.fill("{loot}/file")])],
        "+file",
    ),
    messages(
        "FunctionCall of nextval",
        |ground| {
            let oid = ground.value("SELECT 'counter'::regclass::oid");
            vec![f().function_call(1574, &[&oid])]
        },
        "+row public.counter",
    )
    .data(),
    messages(
        "FunctionCall that is denied, then another",
        |ground| {
            let oid =
                ground.value("SELECT 'drop_dynamically()'::regprocedure::oid").parse().unwrap();
            vec![f().function_call(oid, &[]).function_call(oid, &[]).query("SELECT 1")]
        },
        GONE,
    ),
    // forms that lie
    messages(
        "a text behind the terminator of a Query",
        |_| vec![f().query_bytes(b"SELECT 1\0; DROP TABLE victims"), f().query("SELECT 1")],
        GONE,
    )
    .nearest(&["SELECT 1; DROP TABLE victims"]),
    messages(
        "a Query without a terminator",
        |_| vec![f().raw(b'Q', b"DROP TABLE victims"), f().query("SELECT 1")],
        GONE,
    )
    .nearest(&[DROP]),
    messages(
        "a Parse with a second text",
        |_| {
            vec![
                f().raw(b'P', b"\0SELECT 1\0\0\0DROP TABLE victims\0\0\0")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
            ]
        },
        GONE,
    )
    .nearest(&["SELECT 1", DROP]),
    messages(
        "a Parse with a second text, in a pipeline",
        |_| {
            vec![
                f().run("SELECT 1", &[])
                    .raw(b'P', b"\0SELECT 1\0\0\0DROP TABLE victims\0\0\0")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync()
                    .run("SELECT 1", &[])
                    .sync(),
            ]
        },
        GONE,
    )
    .nearest(&["SELECT 1", DROP]),
    messages(
        "a NUL in the name of a statement, in a pipeline",
        |_| {
            vec![
                f().parse("s", "SELECT 1", &[])
                    .raw(b'P', b"s\0SELECT 1\0DROP TABLE victims\0\0\0")
                    .raw(b'B', b"\0s\0s\0\0\0\0\0\0")
                    .execute("", 0)
                    .sync(),
                f().query("SELECT 1"),
            ]
        },
        GONE,
    )
    .nearest(&[DROP]),
    messages(
        "a Parse with more types than there are",
        |_| {
            vec![
                f().raw(b'P', b"\0DROP TABLE victims\0\0\x05\0\0")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
            ]
        },
        GONE,
    )
    .nearest(&[DROP]),
    messages(
        "a Bind without terminators",
        |_| vec![f().parse("s", DROP, &[]).raw(b'B', b"s").execute("", 0).sync()],
        GONE,
    )
    .nearest(&[DROP]),
    messages(
        "an Execute without a row limit",
        |_| vec![f().parse("", DROP, &[]).bind("", "", &[]).raw(b'E', b"\0").sync()],
        GONE,
    )
    .nearest(&[DROP]),
];

fn f() -> Frames {
    Frames::new()
}

/// A COPY begun by Execute.
fn begun() -> Frames {
    f().run("COPY victims FROM STDIN", &[])
}

/// One of the messages that call for ReadyForQuery is skipped, or taken for COPY's.
fn skipped(mut frames: Frames) -> Frames {
    frames.labels.push(SKIPPED.to_owned());
    frames
}

#[test]
fn no_order_of_messages_gets_through() {
    assault(&mut Ground::start(), ATTACKS);
}

/// A length that lies moves what the server takes for the next message. Each of these ends the
/// session or fails; none runs what it hides.
#[test]
fn no_length_hides_a_message() {
    let mut ground = Ground::start();
    let before = ground.world();
    let hidden =
        [f().query(DROP).query(DROP).bytes, f().run(DROP, &[]).sync().run(DROP, &[]).sync().bytes];
    for (entry, hidden) in [
        ("prod", &hidden[0]),
        ("prod", &hidden[1]),
        ("replica", &hidden[0]),
        ("replica", &hidden[1]),
    ] {
        for length in [0_u32, 1, 3, 4, 5, 7, 64, 0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            for tag in *b"QPBEDCFSHXdcfp\0~" {
                let mut wire = ground.proxy.connect(entry);
                let lie = [&[tag][..], &length.to_be_bytes(), hidden].concat();
                // it may be closed while we write
                let _ = wire.send_bytes(&lie);
                let _ = wire.send(&f().sync());
            }
        }
    }
    assert_eq!(ground.proxy.connect("prod").value("SELECT 1"), "1");
    // whatever was still under way is over once a statement of our own is through
    assert_eq!(ground.world(), before);
    // behind a length that is true, each of them is a message
    for hidden in &hidden {
        let login = ground.direct("postgres");
        let mut wire = Wire::tcp(ground.cluster.port(), &login).unwrap();
        wire.send_bytes(&[&b"S\0\0\0\x04"[..], hidden].concat()).unwrap();
        (0..3).for_each(|_| drop(wire.receive_until(b'Z')));
        assert_eq!(ground.value("SELECT to_regclass('victims') IS NULL"), "t");
        drop(wire);
        ground.reset();
    }
}
