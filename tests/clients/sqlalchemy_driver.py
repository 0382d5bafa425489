"""SQLAlchemy 2, sync (psycopg, psycopg2, pg8000) and async (asyncpg): reflection, ORM, pools."""

import asyncio
import ssl

from common import CA, CONFIRM, HOST, PARAMETER, PASSWORD, PORT, PROD, STAGING, USER, check, done, url
from sqlalchemy import URL, Column, Integer, MetaData, String, Table, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


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
    note: Mapped[str | None]


def code(error):
    original = error.orig
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    if state is None and original.args and isinstance(original.args[0], dict):
        state = original.args[0].get("C")  # pg8000
    return state


def tls():
    return ssl.create_default_context(cafile=CA)


def engine(driver, entry, **parameters):
    if driver == "pg8000":
        address = URL.create("postgresql+pg8000", USER, PASSWORD, HOST, PORT, entry)
        return create_engine(address, connect_args={"ssl_context": tls(), **parameters})
    return create_engine(url(entry, scheme=f"postgresql+{driver}", **parameters))


for driver in ("psycopg", "psycopg2", "pg8000"):
    prod = engine(driver, PROD)
    with Session(prod) as session:
        session.add_all(Line(item=1, note=f"{driver} {n}") for n in range(30))
        session.flush()
        session.commit()
        items = session.query(Item).where(Item.id < 3).order_by(Item.id).all()
        check([item.name for item in items] == ["anvil", "bellows"], "the ORM reads", items)
        with session.begin_nested():
            items[0].name = "anvil"
        session.query(Line).where(Line.note.like(f"{driver}%")).delete()
        session.commit()
    inspector = inspect(prod)
    check({"items", "lines"} <= set(inspector.get_table_names()), "reflection of tables")
    for table in ("items", "lines"):
        inspector.get_columns(table)
        inspector.get_indexes(table)
        inspector.get_foreign_keys(table)
        inspector.get_check_constraints(table)
        inspector.get_table_comment(table)
    inspector.get_enums() if hasattr(inspector, "get_enums") else None
    Base.metadata.create_all(prod)  # everything exists: no DDL is sent
    extra = Table(f"by_{driver}", MetaData(), Column("id", Integer, primary_key=True),
                  Column("name", String(10)))  # fmt: skip
    try:
        extra.create(prod)
    except DBAPIError as error:
        check(code(error) == "42501", "DDL is blocked", str(error))
    else:
        check(False, "DDL is blocked")
    with prod.begin() as connection:
        connection.execute(text(f"SET LOCAL {PARAMETER} = true"))
        extra.create(connection)
    with prod.connect() as connection:
        count = connection.scalar(text(f"SELECT count(*) FROM by_{driver}"))
        check(count == 0, "the pool's connection lives on", count)
    prod.dispose()
    if driver != "pg8000":
        confirmed = engine(driver, PROD, options=CONFIRM)
        extra.drop(confirmed)
    else:
        with engine(driver, PROD).begin() as connection:
            connection.execute(text(f"SET LOCAL {PARAMETER} = true"))
            extra.drop(connection)
    done(f"sync, {driver}")


async def asynchronous():
    address = URL.create("postgresql+asyncpg", USER, PASSWORD, HOST, PORT, PROD)
    prod = create_async_engine(address, connect_args={"ssl": tls()})
    maker = async_sessionmaker(prod)
    async with maker() as session:
        session.add(Line(item=1, note="asyncpg"))
        await session.commit()
        item = await session.get(Item, 1)
        check(item.name == "anvil", "the ORM reads", item.name)
    async with prod.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        check("items" in names, "reflection", names)
    try:
        async with prod.begin() as connection:
            await connection.execute(text("CREATE TABLE blocked (n int)"))
    except DBAPIError as error:
        check(code(error) == "42501", "DDL is blocked", str(error))
    else:
        check(False, "DDL is blocked")
    await prod.dispose()
    settings = {"server_settings": {PARAMETER: "true"}, "ssl": tls()}
    confirmed = create_async_engine(address, connect_args=settings)
    async with confirmed.begin() as connection:
        await connection.execute(text("CREATE TABLE by_async (n int)"))
        await connection.execute(text("DROP TABLE by_async"))
    await confirmed.dispose()
    done("async, asyncpg")


asyncio.run(asynchronous())
