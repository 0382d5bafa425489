"""pg8000: a driver written in Python alone, which sends gs2 `y` where it could bind."""

import ssl

import pg8000.dbapi
import pg8000.native
from common import CA, HOST, PARAMETER, PASSWORD, PORT, PROD, USER, check, done

context = ssl.create_default_context(cafile=CA)
with pg8000.native.Connection(
    USER, password=PASSWORD, host=HOST, port=PORT, database=PROD, ssl_context=context
) as connection:
    rows = connection.run("SELECT id, name FROM items WHERE id = :id", id=1)
    check(rows == [[1, "anvil"]], "a row", rows)
    connection.run("INSERT INTO lines (item, note) VALUES (1, :note)", note="pg8000")
    try:
        connection.run("CREATE TABLE blocked (n int)")
    except pg8000.exceptions.DatabaseError as error:
        check(error.args[0]["C"] == "42501", "SQLSTATE", error.args[0])
        check(error.args[0]["H"], "a HINT", error.args[0])
    else:
        check(False, "DDL is blocked")
    connection.run(f"SET {PARAMETER} = true")
    connection.run("CREATE TABLE by_pg8000 (n int)")
    connection.run("DROP TABLE by_pg8000")
done("ordinary traffic, blocked, confirmed")
