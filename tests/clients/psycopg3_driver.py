"""psycopg 3: rows, server-side cursors, COPY, prepared statements, pipeline mode, two-phase."""

import psycopg
from common import CONFIRM, PARAMETER, PROD, REPLICA, TAGS, blocked, check, done, url

with psycopg.connect(url(PROD)) as connection:
    for tag, value in TAGS.items():
        seen = connection.info.parameter_status(tag)
        check(seen == value, f"ParameterStatus {tag}", seen)
    with connection.transaction():
        for n in range(12):  # past prepare_threshold: named statements
            connection.execute(
                "INSERT INTO items VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING",
                (100 + n, "psycopg", 1.5),
            )
    rows = connection.execute("SELECT id, name FROM items WHERE id >= %s", (100,)).fetchall()
    check(len(rows) == 12, "twelve rows", rows)
    with connection.cursor(name="served") as cursor:
        cursor.execute("SELECT generate_series(1, 1000)")
        check(sum(row[0] for row in cursor) == 500500, "a server-side cursor")
    with connection.cursor(binary=True) as cursor:
        check(cursor.execute("SELECT %b::float8", (1.5,)).fetchone() == (1.5,), "binary formats")
    with connection.cursor().copy("COPY lines (item, note) FROM STDIN") as copy:
        copy.write_row((1, "copied"))
    with connection.cursor().copy("COPY lines TO STDOUT") as copy:
        check(b"copied" in b"".join(copy), "COPY TO STDOUT")
    connection.execute("CREATE TEMP TABLE scratch (n int) ON COMMIT DROP")
    connection.execute("INSERT INTO scratch SELECT generate_series(1, 3)")
    connection.commit()
    done("ordinary traffic")

    with connection.pipeline() as pipeline:
        cursors = [connection.execute("SELECT %s::int * 2", (n,)) for n in range(300)]
        pipeline.sync()
        check([c.fetchone()[0] for c in cursors] == [2 * n for n in range(300)], "a pipeline")
        connection.execute("UPDATE items SET price = 2 WHERE id = 100")
    connection.commit()
    try:
        with connection.pipeline():
            first = connection.execute("SELECT 1")
            connection.execute("CREATE TABLE blocked (n int)")
            connection.execute("SELECT 2")
    except psycopg.Error as error:
        blocked(error)
    else:
        check(False, "DDL in a pipeline is blocked")
    connection.rollback()
    done("pipeline mode")

    try:
        connection.execute("CREATE TABLE blocked (n int)")
    except psycopg.errors.InsufficientPrivilege as error:
        blocked(error)
    else:
        check(False, "DDL is blocked")
    try:
        connection.execute("SELECT 1")
    except psycopg.errors.InFailedSqlTransaction:
        connection.rollback()
    check(connection.execute("SELECT 1").fetchone() == (1,), "the connection lives on")
    connection.rollback()

    with connection.transaction():
        connection.execute(f"SET LOCAL {PARAMETER} = true")
        connection.execute("CREATE TABLE by_psycopg (n int)")
    done("confirmed by SET LOCAL")

with psycopg.connect(url(PROD, options=CONFIRM), autocommit=True) as connection:
    connection.execute("DROP TABLE by_psycopg")
    done("confirmed by options")

with psycopg.connect(url(REPLICA, options=CONFIRM), autocommit=True) as connection:
    check(connection.execute("SELECT count(*) FROM items").fetchone()[0] >= 3, "the replica reads")
    try:
        connection.execute("CREATE TABLE blocked (n int)")
    except psycopg.Error as error:
        blocked(error, "25006")
    else:
        check(False, "DDL on the replica is blocked")
    done("the replica")
