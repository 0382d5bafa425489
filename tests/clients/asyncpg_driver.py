"""asyncpg: a pool that resets its connections, introspection of types, COPY, cursors."""

import asyncio
import ssl

import asyncpg
from common import CA, PARAMETER, PASSWORD, PORT, PROD, REPLICA, TAGS, USER, blocked, check, done

CONTEXT = ssl.create_default_context(cafile=CA)


def connect(entry, **settings):
    return asyncpg.connect(
        host="localhost", port=PORT, user=USER, password=PASSWORD, database=entry, ssl=CONTEXT,
        server_settings=settings or None,
    )  # fmt: skip


async def ordinary():
    pool = await asyncpg.create_pool(
        host="localhost", port=PORT, user=USER, password=PASSWORD, database=PROD, ssl=CONTEXT,
        min_size=2, max_size=4,
    )  # fmt: skip

    async def work(n):
        async with pool.acquire() as connection:
            tags = connection.get_settings()
            for tag, value in TAGS.items():
                check(getattr(tags, tag) == value, f"ParameterStatus {tag}")
            async with connection.transaction():
                await connection.execute(
                    "INSERT INTO items VALUES ($1, $2, 1) ON CONFLICT DO NOTHING", 600 + n, "a"
                )
                async with connection.transaction():
                    await connection.fetch("SELECT * FROM items WHERE id = ANY($1)", [1, 2, n])
            return await connection.fetchval("SELECT $1::mood[]", ["ok", "happy"])

    answers = await asyncio.gather(*(work(n) for n in range(40)))
    check(answers == [["ok", "happy"]] * 40, "arrays of an enum", answers[0])
    async with pool.acquire() as connection:
        await connection.copy_records_to_table(
            "lines", records=[(1, "copied")], columns=["item", "note"]
        )
        async with connection.transaction():
            total = 0
            async for record in connection.cursor("SELECT generate_series(1, 500) AS n"):
                total += record["n"]
            check(total == 125250, "a cursor", total)
        await connection.executemany("UPDATE items SET price = $2 WHERE id = $1", [(1, 5), (2, 6)])
        statement = await connection.prepare("SELECT $1::text || 'x'")
        check(await statement.fetchval("y") == "yx", "a prepared statement")
        heard = asyncio.Queue()
        await connection.add_listener("news", lambda *note: heard.put_nowait(note[3]))
        await connection.execute("NOTIFY news, 'hello'")
        check(await asyncio.wait_for(heard.get(), 5) == "hello", "a notification")
        await connection.remove_listener("news", lambda *_: None)
    await pool.close()
    done("a pool and its resets")


async def ddl():
    connection = await connect(PROD)
    try:
        await connection.execute("CREATE TABLE blocked (n int)")
    except asyncpg.InsufficientPrivilegeError as error:
        blocked(error)
        check(error.detail and error.hint, "DETAIL and HINT", error.as_dict())
    else:
        check(False, "DDL is blocked")
    try:
        await connection.fetch("DROP TABLE items")  # extended protocol
    except asyncpg.InsufficientPrivilegeError as error:
        blocked(error)
    else:
        check(False, "DDL is blocked")
    check(await connection.fetchval("SELECT 1") == 1, "the connection lives on")
    await connection.execute(f"SET {PARAMETER} = true")
    await connection.execute("CREATE TABLE by_asyncpg (n int)")
    await connection.reset()
    try:
        await connection.execute("DROP TABLE by_asyncpg")
    except asyncpg.InsufficientPrivilegeError:
        done("a reset takes the confirmation away")
    else:
        check(False, "a confirmation outlived the pool's reset")
    await connection.close()

    connection = await connect(PROD, **{PARAMETER: "true"})
    await connection.execute("DROP TABLE by_asyncpg")
    await connection.close()
    done("confirmed by server_settings")

    connection = await connect(REPLICA, **{PARAMETER: "true"})
    check(await connection.fetchval("SELECT count(*) FROM items") >= 3, "the replica reads")
    try:
        await connection.execute("CREATE TABLE blocked (n int)")
    except asyncpg.ReadOnlySQLTransactionError as error:
        blocked(error, "25006")
    else:
        check(False, "DDL on the replica is blocked")
    await connection.close()
    done("the replica")


asyncio.run(ordinary())
asyncio.run(ddl())
