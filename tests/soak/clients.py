"""The clients of the soak: active, idle, slow, and those whose connections are half open."""

import asyncio
import random
import socket

from wire import EXECUTE, SYNC, Ended, bind, parse, query, startup

WHO = "current_setting('application_name')"
LARGE = "SELECT repeat('x', 1000) FROM generate_series(1, 300000)"


class Active:
    """Asks all the time, in every form, for what nobody else asks for, and checks every answer."""

    def __init__(self, run, number, pause):
        self.run, self.name, self.pause = run, f"a{number}", pause
        self.asked = 0
        self.session = None

    def value(self):
        self.asked += 1
        return f"{self.name}-{self.asked}"

    async def live(self):
        run = self.run
        ways = (self.queries, self.pipeline, self.prepared, self.insert, self.transaction)
        while not run.stopping:
            if self.session is None:
                self.session = await run.login(application_name=self.name)
                continue
            try:
                await random.choice(ways)()
            except (Ended, OSError) as error:
                run.lost(self.session, error)
                self.session = None
            # logins first: on two cores many active clients would keep thousands waiting
            await asyncio.sleep(random.random() * self.pause * (10 if run.gathering else 1))
        if self.session:
            await run.leave(self.session)

    async def expect(self, types, rows):
        answer = await self.session.answer()
        self.run.counts["answers"] += 1
        if (answer.types, answer.rows) != (types, rows):
            got = f"{answer.types} {answer.rows} {answer.code} {answer.message}"
            self.run.fault(f"{self.name} expected {types} {rows} and got {got}")

    async def queries(self):
        values = [self.value() for _ in range(random.randint(1, 4))]
        nap = random.random() / 500
        for value in values:
            self.session.send(query(f"SELECT '{value}', {WHO}, pg_sleep({nap})"))
        for value in values:
            await self.expect("TDCZ", [[value, self.name, ""]])

    async def pipeline(self):
        values = [self.value() for _ in range(random.randint(1, 4))]
        statement = parse("", f"SELECT $1::text, {WHO}")
        self.session.send(*(statement + bind("", value) + EXECUTE for value in values), SYNC)
        await self.expect("12DC" * len(values) + "Z", [[value, self.name] for value in values])

    async def prepared(self):
        value = self.value()
        first = not self.session.prepared
        self.session.prepared = True
        declare = parse("own", f"SELECT $1::text || {WHO}") if first else b""
        self.session.send(declare, bind("own", value), EXECUTE, SYNC)
        await self.expect("12DCZ" if first else "2DCZ", [[value + self.name]])

    async def insert(self):
        value = self.value()
        self.run.sent.add(value)
        self.session.send(query(f"INSERT INTO ledger VALUES ('{value}') RETURNING value"))
        await self.expect("TDCZ", [[value]])
        self.run.acknowledged.add(value)

    async def transaction(self):
        value = self.value()
        self.session.send(query("BEGIN"))
        await self.expect("CZ", [])
        self.run.sent.add(value)
        self.session.send(parse("", "INSERT INTO ledger VALUES ($1)"), bind("", value), EXECUTE, SYNC)
        await self.expect("12CZ", [])
        await asyncio.sleep(random.random() / 50)
        self.session.send(query("COMMIT"))
        await self.expect("CZ", [])
        self.run.acknowledged.add(value)


async def idle(run, database):
    """Is connected, and nothing else: nothing may come but the end."""
    session = None
    try:
        while not run.stopping:
            session = await run.login(application_name="idle", database=database)
            if session is None:
                return
            try:
                kind, _ = await session.receive()
                if kind == b"E":
                    await session.receive()
                run.fault(f"an idle client got {kind!r}")
            except (Ended, OSError) as error:
                run.lost(session, error)
                session = None
    except asyncio.CancelledError:
        if session:
            await run.leave(session)
        raise


async def slow(run):
    """Asks for much and hardly reads."""
    session = None
    try:
        while not run.stopping:
            # not one that must be back soon: what is on its way to it has to be read first
            session = await run.login(steady=False, application_name="slow")
            if session is None:
                return
            session.send(query(LARGE))
            try:
                while await session.reader.read(2000):
                    await asyncio.sleep(0.1)
                raise Ended
            except (Ended, OSError) as error:
                run.lost(session, error)
    finally:
        if session:
            session.close()


async def silent(run):
    """Connects and says nothing, or half a packet: the proxy hangs up, and says nothing either."""
    whole = startup({"user": "postgres", "database": "soak"})
    while not run.stopping:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
            writer.write(random.choice((b"", whole[:1], whole[:7], whole[:-1])))
            came = await reader.read()
            if came:
                run.fault(f"{came!r} came before a login")
            run.counts["silent ones hung up on"] += 1
            writer.close()
        except OSError:
            run.counts["silent ones reset"] += 1
        await asyncio.sleep(0.2)


async def vanishing(run):
    """Logs in, asks for much or stops half-way through a message, and is gone: with a RST, with a
    FIN while it still listens, or without a packet."""
    while not run.stopping:
        session = await run.login(steady=False, application_name="vanishing")
        if session is None:
            return
        half = query("SELECT 1")[: random.randint(1, 10)]
        session.send(random.choice((b"", half, query(LARGE), query(LARGE) + half)))
        await asyncio.sleep(random.random() / 5)
        way = random.choice(("reset", "half closed", "vanished"))
        try:
            if way == "reset":
                session.reset()
            elif way == "vanished":
                session.vanish()
            else:
                session.writer.write_eof()
                while await session.reader.read(65536):
                    pass
                session.close()
        except PermissionError:
            way = "reset"
            session.reset()
        except OSError:
            session.close()
        run.counts[f"clients {way}"] += 1
        await asyncio.sleep(random.random())


def can_vanish():
    """Whether this process may end a connection without a packet."""
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, 19, 1)
        except OSError:
            return False
    return True
