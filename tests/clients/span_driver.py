"""Sessions that read from neon and write to local: psycopg 3 (pipelines too), psycopg 2, asyncpg,
SQLAlchemy 2 and Django's ORM, each with its ordinary settings."""

import asyncio
import os
import ssl

import asyncpg
import psycopg
import psycopg2
from common import CA, PASSWORD, PORT, PROD, STAGING, USER, check, done, url
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

SPAN = os.environ["SPAN"]


def rows(entry, note):
    """How many lines with this note a place has."""
    with psycopg.connect(url(entry)) as connection:
        return connection.execute("SELECT count(*) FROM lines WHERE note = %s", [note]).fetchone()[0]


def written(note, count):
    """The lines are in local, and nowhere else."""
    check(rows(STAGING, note) == count, f"{note}: {count} lines in local", rows(STAGING, note))
    check(rows(PROD, note) == 0, f"{note}: none in neon", rows(PROD, note))


def with_psycopg3():
    with psycopg.connect(url(SPAN)) as connection:
        name = connection.execute("SELECT name FROM items WHERE id = 2").fetchone()[0]
        check(name == "neon's bellows", "reads from neon", name)
        insert = "INSERT INTO lines (item, note) VALUES (%s, %s) RETURNING id"
        check(connection.execute(insert, [1, "psycopg"]).fetchone()[0] > 0, "RETURNING")
        with connection.transaction():
            connection.execute(insert, [2, "psycopg"])
            try:
                with connection.transaction():
                    connection.execute(insert, [3, "psycopg"])
                    connection.execute("SELECT 1 / 0")
            except psycopg.errors.DivisionByZero:
                pass
        for n in range(10):  # prepared by now
            connection.execute("SELECT name FROM items WHERE id = %s", [n % 3 + 1])
        with connection.pipeline():
            read = connection.execute("SELECT count(*) FROM items")
            connection.execute(insert, [1, "psycopg"])
            again = connection.execute("SELECT count(*) FROM items")
        check(read.fetchone() == again.fetchone() == (3,), "a pipeline that changes leg")
        connection.execute("CREATE TEMP TABLE mine (a int) ON COMMIT DROP")
        connection.commit()
        try:
            with connection.pipeline():
                connection.execute("INSERT INTO lines (id, item) VALUES (-1, 1), (-1, 1)")
                connection.execute("SELECT name FROM items WHERE id = %s", [2])  # prepared
        except psycopg.errors.UniqueViolation:
            connection.rollback()
        check(connection.execute("SELECT 42").fetchone() == (42,), "behind a pipeline that failed")
        with connection.cursor().copy("COPY lines (item, note) FROM STDIN") as copy:
            copy.write_row((1, "psycopg"))
        with connection.cursor(name="server_side") as cursor:
            cursor.execute("SELECT id FROM items ORDER BY id")
            check([row[0] for row in cursor] == [1, 2, 3], "a server-side cursor")
    written("psycopg", 4)
    with psycopg.connect(url(SPAN)) as connection:
        connection.execute("INSERT INTO lines (item, note) VALUES (1, 'undone')")
        connection.rollback()
    written("undone", 0)
    done("psycopg 3")


def with_psycopg2():
    connection = psycopg2.connect(url(SPAN))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM items")
        cursor.execute("INSERT INTO lines (item, note) VALUES (1, 'psycopg2')")
    connection.close()
    written("psycopg2", 1)
    done("psycopg 2")


async def with_asyncpg():
    pool = await asyncpg.create_pool(
        host="localhost", port=PORT, user=USER, password=PASSWORD, database=SPAN,
        ssl=ssl.create_default_context(cafile=CA), min_size=2, max_size=3,
    )  # fmt: skip

    async def work(n):
        async with pool.acquire() as connection:
            async with connection.transaction(isolation="repeatable_read"):
                name = await connection.fetchval("SELECT name FROM items WHERE id = $1", 2)
                await connection.execute(
                    "INSERT INTO lines (item, note) VALUES ($1, $2)", n % 3 + 1, "asyncpg"
                )
            return name

    names = await asyncio.gather(*(work(n) for n in range(20)))
    check(set(names) == {"neon's bellows"}, "reads from neon", names)
    async with pool.acquire() as connection:
        await connection.executemany(
            "INSERT INTO lines (item, note) VALUES ($1, $2)", [(1, "asyncpg"), (2, "asyncpg")]
        )
    await pool.close()
    written("asyncpg", 22)
    done("asyncpg")


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[int]
    note: Mapped[str]


def with_sqlalchemy():
    engine = create_engine(url(SPAN, scheme="postgresql+psycopg"))
    with Session(engine, expire_on_commit=False) as session:
        items = session.scalars(select(Item).order_by(Item.id)).all()
        check(items[1].name == "neon's bellows", "reads from neon", items[1].name)
        lines = [Line(item=item.id, note="sqlalchemy") for item in items]
        session.add_all(lines)
        session.commit()
        check(all(line.id for line in lines), "generated keys")
        lines[0].note = "sqlalchemy!"
        session.commit()
    engine.dispose()
    written("sqlalchemy", 2)
    written("sqlalchemy!", 1)
    done("SQLAlchemy")


def with_django():
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": SPAN, "USER": USER, "PASSWORD": PASSWORD,
                "HOST": "localhost", "PORT": str(PORT),
                "OPTIONS": {"sslmode": "verify-full", "sslrootcert": CA},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )  # fmt: skip
    django.setup()
    from django.db import connection, models, transaction

    class DjangoItem(models.Model):
        name = models.TextField()

        class Meta:
            app_label, db_table, managed = "shop", "items", False

    class DjangoLine(models.Model):
        item = models.IntegerField()
        note = models.TextField()

        class Meta:
            app_label, db_table, managed = "shop", "lines", False

    check(DjangoItem.objects.get(id=2).name == "neon's bellows", "reads from neon")
    line = DjangoLine.objects.create(item=1, note="django")
    check(line.pk, "a generated key")
    with transaction.atomic():
        DjangoLine.objects.bulk_create([DjangoLine(item=2, note="django") for _ in range(3)])
        check(DjangoItem.objects.filter(name__startswith="neon").count() == 1, "a filter")
    line.note = "django!"
    line.save(force_update=True)
    connection.close()
    written("django", 3)
    written("django!", 1)
    done("Django")


with psycopg.connect(url(STAGING)) as local:
    local.execute("UPDATE items SET name = 'local''s ' || name")
with psycopg.connect(url(PROD)) as neon:
    neon.execute("UPDATE items SET name = 'neon''s ' || name WHERE id = 2")
with_psycopg3()
with_psycopg2()
asyncio.run(with_asyncpg())
with_sqlalchemy()
with_django()
