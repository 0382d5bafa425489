"""psycopg2: rows, named cursors, COPY, execute_values, notifications."""

import io

import psycopg2
import psycopg2.extras
from common import CONFIRM, PARAMETER, PROD, REPLICA, TAGS, blocked, check, done, url

connection = psycopg2.connect(url(PROD))
for tag, value in TAGS.items():
    seen = connection.get_parameter_status(tag)
    check(seen == value, f"ParameterStatus {tag}", seen)
with connection, connection.cursor() as cursor:
    psycopg2.extras.execute_values(
        cursor,
        "INSERT INTO items VALUES %s ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        [(200 + n, f"p{n}", None) for n in range(250)],
    )
    cursor.execute("SELECT name, %s, %s FROM items WHERE id = 200", ("it's \\ here", [1, 2]))
    check(cursor.fetchone() == ("p0", "it's \\ here", [1, 2]), "client-side parameters")
    cursor.copy_expert("COPY lines (item, note) FROM STDIN", io.StringIO("1\tcopied\n"))
    cursor.callproc("abs", (-1,))
    cursor.execute("LISTEN news")
    cursor.execute("NOTIFY news, 'hello'")
connection.poll()
check([note.payload for note in connection.notifies] == ["hello"], "a notification")
with connection, connection.cursor("named") as cursor:
    cursor.execute("SELECT generate_series(1, 5000)")
    check(sum(row[0] for row in cursor) == 12502500, "a named cursor")
connection.reset()
done("ordinary traffic")

with connection.cursor() as cursor:
    try:
        cursor.execute("ALTER TABLE items ADD blocked int")
    except psycopg2.errors.InsufficientPrivilege as error:
        blocked(error)
    else:
        check(False, "DDL is blocked")
connection.rollback()
with connection, connection.cursor() as cursor:
    cursor.execute(f"SET LOCAL {PARAMETER} = true")
    cursor.execute("CREATE TABLE by_psycopg2 (n int)")
connection.close()
done("confirmed by SET LOCAL")

connection = psycopg2.connect(url(PROD), options=CONFIRM)
connection.autocommit = True
connection.cursor().execute("DROP TABLE by_psycopg2")
connection.close()
done("confirmed by options")

connection = psycopg2.connect(url(REPLICA))
connection.set_session(readonly=True)
with connection, connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM items")
done("the replica")
