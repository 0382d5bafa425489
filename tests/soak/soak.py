#!/usr/bin/env python3
"""The proxy under what a long life brings, all at once, for SOAK_SECONDS (default 180).

Idle clients, active ones that check every answer, readers that hardly read, connections that never
say a word, server processes ended at random, reloads, and halfway a second instance on the same port
while the first is asked to end. What must hold: every answer comes once, in order, with the very row
that this client asked for; an error only where a server process or an instance was ended; memory does
not grow. SOAK_IDLE and SOAK_ACTIVE say how many clients (1000 and 200; each takes a server process).
PGAUTHORITY names the program (target/release/pgauthority). Exit code 1 where something does not hold.
"""

import asyncio
import os
import random
import resource
import struct
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "scripts"))

from ground import NEON_HOST, Failed, Ground, free_port, listening  # noqa: E402

SECONDS = int(os.environ.get("SOAK_SECONDS", "180"))
IDLE = int(os.environ.get("SOAK_IDLE", "1000"))
ACTIVE = int(os.environ.get("SOAK_ACTIVE", "200"))
SLOW, SILENT = 5, 50
STARTUP = b"user\0postgres\0database\0soak\0application_name\0soak\0\0"
# what a client may see when its server process or its instance is ended
ENDINGS = {b"57P01", b"57P02", b"57P03", b"08006", b"53300"}

faults = []
counts = dict.fromkeys(("answers", "ended", "reconnected", "refused", "reset"), 0)


def fault(what):
    if len(faults) < 20:
        print(f"soak: {what}", file=sys.stderr)
    faults.append(what)


def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


class Ended(Exception):
    """The session is over, as it may be."""


class Client:
    """A connection that reads whole messages."""

    @classmethod
    async def connect(cls, port):
        self = cls()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        body = struct.pack("!I", 196608) + STARTUP
        self.writer.write(struct.pack("!I", len(body) + 4) + body)
        try:
            await self.until_ready()
        except BaseException:
            self.close()
            raise
        return self

    async def receive(self):
        try:
            head = await self.reader.readexactly(5)
            body = await self.reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Ended("closed") from error
        if head[:1] == b"E":
            code = next((part[1:] for part in body.split(b"\0") if part[:1] == b"C"), b"")
            if code in ENDINGS:
                raise Ended(code.decode())
            fault(f"an error that nobody asked for: {body!r}")
            raise Ended(code.decode())
        return head[:1], body

    async def until_ready(self):
        """The first column of every row up to ReadyForQuery."""
        rows = []
        while True:
            kind, body = await self.receive()
            if kind == b"D":
                length = struct.unpack("!i", body[2:6])[0]
                rows.append(body[6 : 6 + length].decode())
            elif kind == b"Z":
                return rows

    def query(self, text):
        self.writer.write(message(b"Q", text.encode() + b"\0"))

    def close(self):
        self.writer.close()


async def connected(port, until):
    """A session; a login may meet an instance or a server that ends."""
    while time.monotonic() < until:
        try:
            return await asyncio.wait_for(Client.connect(port), 30)
        except Ended:
            counts["refused"] += 1
        except OSError:
            counts["reset"] += 1
        except asyncio.TimeoutError:
            fault("a login took more than 30 seconds")
        await asyncio.sleep(random.uniform(0.05, 0.3))
    return None


async def active(number, port, until):
    """Pipelined queries, each with an answer that nobody else gets."""
    client, asked = None, 0
    while time.monotonic() < until:
        if client is None:
            client = await connected(port, until)
            if client is None:
                return
            counts["reconnected"] += 1
        expected = [f"{number}-{asked + at}" for at in range(random.randint(1, 4))]
        asked += len(expected)
        try:
            for value in expected:
                client.query(f"SELECT '{value}', pg_sleep({random.random() / 500})")
            for value in expected:
                rows = await asyncio.wait_for(client.until_ready(), 60)
                if rows != [value]:
                    fault(f"client {number} asked for {value} and got {rows}")
                counts["answers"] += 1
        except (Ended, OSError):
            counts["ended"] += 1
            client.close()
            client = None
        except asyncio.TimeoutError:
            fault(f"client {number} waited a minute for {expected}")
            client.close()
            client = None
        await asyncio.sleep(random.random() / 20)
    if client:
        client.close()


async def idle(port, until):
    while time.monotonic() < until:
        client = await connected(port, until)
        if client is None:
            return
        try:
            # nothing is sent and nothing may come, but the end
            left = max(0.0, until - time.monotonic())
            kind, _ = await asyncio.wait_for(client.receive(), left)
            fault(f"an idle client got {kind!r}")
        except (Ended, asyncio.TimeoutError):
            pass
        client.close()


async def slow(port, until):
    """Asks for much and reads a little at a time."""
    while time.monotonic() < until:
        client = await connected(port, until)
        if client is None:
            return
        client.query("SELECT repeat('x', 1000) FROM generate_series(1, 300000)")
        try:
            while time.monotonic() < until:
                if not await client.reader.read(2000):
                    break
                await asyncio.sleep(0.1)
        except OSError:
            pass
        client.close()


async def silent(port, until):
    """Connects and says nothing, or half a packet."""
    while time.monotonic() < until:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(random.choice((b"", b"\0", b"\0\0\0\x54\0\3\0\0user\0")))
            await asyncio.sleep(min(random.uniform(1, 20), max(0, until - time.monotonic())))
            writer.close()
        except OSError:
            counts["reset"] += 1


async def killer(cluster, until):
    """Ends server processes of the clients' at random, whatever they are at."""
    while time.monotonic() < until:
        await asyncio.sleep(random.uniform(0.5, 2))
        await asyncio.to_thread(
            cluster.sql,
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity"
            " WHERE datname = 'soak' ORDER BY random() LIMIT 3) AS victims",
        )


def resident(server):
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def configuration(ground, port, upstream):
    config = ground.folder / "pgauthority.toml"
    config.write_text(f"""
[server]
listen = ["127.0.0.1:{port}"]
max_client_connections = 20000
login_timeout = "20s"
[audit]
path = "{ground.folder}/audit.jsonl"
[upstreams.soak]
authority = "neon"
role = "prod"
env = "prod-like"
url = "postgresql://postgres@{NEON_HOST}:{upstream}/soak?sslmode=disable&password="
hostaddr = "127.0.0.1"
[databases.soak]
upstream = "soak"
auth = "trust"
users = ["postgres"]
""")
    return config


async def operator(instance, start, until):
    """Reloads all the time; halfway, another instance takes over. Gives the memory samples of the
    second, which lives to the end."""
    half = time.monotonic() + (until - time.monotonic()) / 2
    while time.monotonic() < half:
        await asyncio.sleep(1)
        os.kill(instance.pid, 1)
    second = await asyncio.to_thread(start)
    os.kill(instance.pid, 15)
    samples = []
    while time.monotonic() < until:
        await asyncio.sleep(1)
        os.kill(second.pid, 1)
        samples.append(resident(second))
    return samples


async def soak(ground):
    cluster = ground.cluster(
        "postgresql",
        auth="trust",
        settings=(f"max_connections = {2 * (IDLE + ACTIVE + SLOW) + 50}", "shared_buffers = 64MB"),
    )
    cluster.sql("CREATE DATABASE soak")
    port = free_port()
    config = configuration(ground, port, cluster.port)
    program = Path(os.environ.get("PGAUTHORITY", REPOSITORY / "target/release/pgauthority"))

    def start():
        server = ground.start(
            "pgauthority", program, "serve", "--config", config, env={"PGAUTHORITY_LOG": "error"}
        )
        server.wait_until(listening(port), 10)
        return server

    first = start()
    until = time.monotonic() + SECONDS
    tasks = [active(number, port, until) for number in range(ACTIVE)]
    tasks += [idle(port, until) for _ in range(IDLE)]
    tasks += [slow(port, until) for _ in range(SLOW)]
    tasks += [silent(port, until) for _ in range(SILENT)]
    tasks += [killer(cluster, until)]
    samples, *_ = await asyncio.gather(operator(first, start, until), *tasks)
    return samples


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with Ground() as ground:
            samples = asyncio.run(soak(ground))
    except Failed as error:
        print(f"the soak failed: {error}", file=sys.stderr)
        return 1
    # the first third is for warming up
    settled = samples[len(samples) // 3 :]
    quarter = max(1, len(settled) // 4)
    if settled:
        early, late = max(settled[:quarter]), max(settled[-quarter:])
        if late > early * 1.25 + 16:
            fault(f"memory grew from {early:.0f} to {late:.0f} MiB")
        print(f"memory of the second instance: {early:.0f}, at the end {late:.0f} MiB")
    if counts["answers"] < ACTIVE:
        fault(f"only {counts['answers']} answers")
    print(f"{SECONDS} s, {IDLE} idle, {ACTIVE} active: " + ", ".join(f"{v} {k}" for k, v in counts.items()))
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
