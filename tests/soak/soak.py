#!/usr/bin/env python3
"""The proxy under what a long life brings, all at once, for SOAK_SECONDS (default 180).

Idle clients (SOAK_IDLE, 10000), active ones that check every answer (SOAK_ACTIVE, 1000), readers that
hardly read, connections that are half open, clients that confirm and clients that are blocked, in front of
a real PostgreSQL; most idle ones in front of a stand-in that has PostgreSQL's answers to a login and needs
no process a client (standin.py). Meanwhile: server processes ended at random, a reload every
second, every third of a configuration that is not sound; and in turn, at least once each, the disk of
the audit log full, the whole server killed and started again, another instance on the same port while
the first is asked to end. The steps follow conditions, not the clock: a slow machine takes longer.

What must hold: every answer comes once, in order, with the very row that this client asked for; what was
acknowledged is there, once; an error only where a server process, a server or an instance was ended;
nothing that has to be on record runs without it; memory does not grow; when all have left, the
descriptors and the server's connections are back where they were.

PGAUTHORITY names the program (target/release/pgauthority). Exit code 1 where something does not hold.
Where the limit on descriptors does not carry as many, it says so and takes fewer.
"""

import asyncio
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(REPOSITORY / "scripts"), str(Path(__file__).resolve().parent)]

from books import Books, Disk  # noqa: E402
from clients import Active, can_vanish, idle, silent, slow, vanishing  # noqa: E402
from ground import NEON_HOST, Failed, Ground, free_port, listening  # noqa: E402
from run import Run  # noqa: E402

SECONDS = int(os.environ.get("SOAK_SECONDS", "180"))
IDLE = int(os.environ.get("SOAK_IDLE", "10000"))
ACTIVE = int(os.environ.get("SOAK_ACTIVE", "1000"))
SLOW, SILENT, VANISHING, BLOCKERS, CONFIRMERS = 5, 20, 10, 4, 4
# idle clients with a server process of their own, at most
OWN = 300
# the memory of a session at most, its buffers and all that it shares with others, in KiB
SESSION, SHARED = 64, 200 << 10
# what a login takes at its height, in KiB: where more are at it at once than ever before, that stays with
# the allocator
LOGIN = 16


def carried():
    """How many idle clients the limit on descriptors carries, at most IDLE; says where it is fewer.
    Raises that limit, which the servers inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    others = ACTIVE + SLOW + SILENT + VANISHING + BLOCKERS + CONFIRMERS + 200
    # a session takes two of the proxy's
    most = max(0, hard // 2 - others)
    if most < IDLE:
        print(f"soak: {hard} descriptors: {most} of {IDLE} idle clients", file=sys.stderr)
    return min(IDLE, most)


def status(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Soak:
    """The ground, the instances, and what befalls them."""

    def __init__(self, ground):
        self.ground, self.idle, self.began = ground, carried(), time.monotonic()
        self.steady = self.idle + ACTIVE + BLOCKERS + CONFIRMERS
        self.own = min(self.idle // 2, OWN)
        small = self.steady < 1000
        self.dwell = 0.5 if small else 4
        self.login_timeout, self.drain_timeout = (5, 2) if small else (30, 10)
        self.disk = Disk(ground.folder)
        self.cluster = ground.cluster(
            "postgresql",
            auth="trust",
            settings=(
                f"max_connections = {int((self.own + ACTIVE) * 1.2) + 150}",
                "shared_buffers = 64MB",
                "dynamic_shared_memory_type = mmap",
            ),
        )
        self.cluster.sql("CREATE DATABASE soak")
        self.cluster.sql("CREATE TABLE ledger (value text)", "soak")
        self.port, self.admin, self.standin_port = free_port(), free_port(), free_port()
        self.standin = None
        self.run = Run(self.port, self.steady, 16 if small else 100, self.login_timeout)
        self.books = Books(self.run)
        self.instances, self.samples, self.peak = [], [], 0
        self.loads, self.starting = 0, False
        self.configure()

    def configure(self):
        """Another sound configuration each time."""
        self.loads += 1
        new = self.ground.folder / "new.toml"
        new.write_text(f"""
[server]
listen = ["127.0.0.1:{self.port}"]
max_client_connections = {20000 + self.loads % 2}
login_timeout = "{self.login_timeout}s"
drain_timeout = "{self.drain_timeout}s"
tcp_keepalive = "2s"
[server.admin]
listen = "127.0.0.1:{self.admin}"
[audit]
path = "{self.disk.log}"
statement = "full"
[upstreams.soak]
authority = "neon"
role = "prod"
env = "prod-like"
url = "postgresql://postgres@{NEON_HOST}:{self.cluster.port}/soak?sslmode=disable&password="
hostaddr = "127.0.0.1"
[databases.soak]
upstream = "soak"
auth = "trust"
users = ["postgres"]
[upstreams.idle]
authority = "neon"
role = "prod"
env = "prod-like"
url = "postgresql://postgres@{NEON_HOST}:{self.standin_port}/soak?sslmode=disable&password="
hostaddr = "127.0.0.1"
[databases.idle]
upstream = "idle"
auth = "trust"
users = ["postgres"]
""")
        new.rename(self.config)

    @property
    def config(self):
        return self.ground.folder / "pgauthority.toml"

    def start(self):
        program = Path(os.environ.get("PGAUTHORITY", REPOSITORY / "target/release/pgauthority"))
        self.configure()
        instance = self.ground.start(
            f"pgauthority-{len(self.instances)}",
            program, "serve", "--config", self.config,
            env={"PGAUTHORITY_LOG": os.environ.get("PGAUTHORITY_LOG", "error")},
        )  # fmt: skip
        ready = f"pgauthority-{len(self.instances)}"
        self.instances.append(instance)
        # the port may be another instance's, too: this one listens once it has a listener of its own
        instance.wait_until(lambda: listens(instance.pid, self.port), 60)
        assert listening(self.port)(), ready
        return instance

    def start_standin(self):
        self.standin = self.ground.start(
            "standin",
            sys.executable, Path(__file__).with_name("standin.py"),
            self.standin_port, self.cluster.port, self.ground.folder / "login",
        ).wait_until(listening(self.standin_port), 60)  # fmt: skip

    # -- what befalls them ---------------------------------------------------------------------

    def say(self, what):
        """What goes on, for who watches."""
        print(f"soak: {time.monotonic() - self.began:.0f} s: {what}", file=sys.stderr, flush=True)

    async def reloads(self):
        """A reload every second, every third of a configuration that is refused."""
        while not self.run.stopping:
            await asyncio.sleep(1)
            if self.starting:
                continue
            if self.loads % 3 == 2:
                self.loads += 1
                self.config.write_text("[server]\nlisten = 7\n")
            else:
                self.configure()
            for instance in self.instances:
                if instance.process.poll() is None:
                    os.kill(instance.pid, signal.SIGHUP)
                    self.peak = max(self.peak, status(instance.pid, "VmRSS:"))

    async def killer(self):
        """Ends server processes at random, whatever they are at."""
        while not self.run.stopping:
            await asyncio.sleep(random.uniform(0.3, 1.5))
            if self.run.storm or self.run.gathering:
                continue
            # counted before it is done: who is ended may hear of it first
            self.run.killed += 6
            os.kill(self.standin.pid, signal.SIGUSR1)
            try:
                ended = await asyncio.to_thread(
                    self.cluster.sql,
                    "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity"
                    " WHERE datname = 'soak' AND backend_type = 'client backend'"
                    " ORDER BY random() LIMIT 3) AS victims",
                )
                self.run.counts["server processes ended"] += int(ended)
            except Failed:
                pass

    async def full_disk(self):
        """The disk of the log is full, and has room again."""
        self.say("the disk of the log is full")
        run, books = self.run, self.books
        before = run.counts["refused while the disk was full"]
        books.full = True
        self.disk.fill()
        await run.until(
            "refusals while the disk is full",
            lambda: run.counts["refused while the disk was full"] >= before + CONFIRMERS,
        )
        await self.ready(503)
        answers, blocked = run.counts["answers"], len(books.blocked)
        await asyncio.sleep(self.dwell)
        await run.until(
            "answers and blocks go on while the disk is full",
            lambda: run.counts["answers"] > answers and len(books.blocked) > blocked,
        )
        self.disk.free()
        await self.ready(200)
        made = len(books.created)
        await run.until("tables are made again", lambda: len(books.created) > made)
        books.full = False
        run.counts["disks full"] += 1

    async def ready(self, expected):
        """Waits until /readyz says so."""
        said = []

        async def ask():
            reader, writer = await asyncio.open_connection("127.0.0.1", self.admin)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n")
            line = await reader.readline()
            writer.close()
            return int(line.split()[1])

        deadline = time.monotonic() + 240
        while (said := await ask()) != expected:
            if time.monotonic() > deadline:
                self.run.fault(f"/readyz says {said}, not {expected}")
                return
            await asyncio.sleep(0.1)

    async def crash(self):
        """The whole server is gone at once, and starts again."""
        self.say("the server is killed")
        self.run.storm = True
        await asyncio.to_thread(self.cluster.crash)
        self.standin.end(signal.SIGKILL)
        self.run.epoch += 1
        await asyncio.to_thread(self.cluster.start)
        await asyncio.to_thread(self.start_standin)
        await self.run.everyone(reborn=True)
        await self.calm()
        self.run.counts["servers crashed"] += 1

    async def handover(self):
        """Another instance takes over."""
        self.say("another instance takes over")
        first = self.instances[-1]
        # it must find a configuration that is sound
        self.starting = True
        await asyncio.to_thread(self.start)
        self.starting = False
        self.run.storm = True
        os.kill(first.pid, signal.SIGTERM)
        await self.ended(first)
        await self.calm()
        self.run.counts["instances replaced"] += 1

    async def calm(self):
        """All who heard of an end are back: from now on nobody's session ends by that."""
        await asyncio.sleep(1)
        await self.run.everyone()
        self.run.storm = False

    async def ended(self, instance):
        if await self.run.until("the instance ends", lambda: instance.process.poll() is not None):
            if instance.process.returncode != 0:
                self.run.fault(f"an instance ended with {instance.process.returncode}")

    async def quiet(self):
        """Everyone is served for a while; a sample of the memory."""
        await self.run.everyone()
        await asyncio.sleep(self.dwell)
        self.samples.append(status(self.instances[-1].pid, "VmRSS:"))
        self.say(f"{self.steady} clients are served, with {self.samples[-1]:.0f} MiB")

    # -- from the start to the end -------------------------------------------------------------

    async def baseline(self):
        """The descriptors of an instance that has served a client."""
        for database in ("soak", "idle"):
            await self.run.leave(await self.run.login(steady=False, database=database))
        count = None
        while count != (count := descriptors(self.instances[0].pid)):
            await asyncio.sleep(0.5)
        return count

    async def live(self):
        run = self.run
        until = time.monotonic() + SECONDS
        self.start_standin()
        self.start()
        before = await self.baseline()
        pause = max(ACTIVE, 1) / 500
        clients = [Active(run, number, pause).live() for number in range(ACTIVE)]
        clients += [self.books.blocker(number) for number in range(BLOCKERS)]
        clients += [self.books.confirmer(number) for number in range(CONFIRMERS)]
        clients += [vanishing(run) for _ in range(VANISHING)]
        clients = [asyncio.create_task(client) for client in clients]
        # what is ended by cancelling it: it waits for what does not come
        waiting = [idle(run, "soak" if own < self.own else "idle") for own in range(self.idle)]
        waiting += [slow(run) for _ in range(SLOW)] + [silent(run) for _ in range(SILENT)]
        waiting = [asyncio.create_task(client) for client in waiting]
        fate = [asyncio.create_task(fate) for fate in (self.reloads(), self.killer())]
        watched = asyncio.gather(*clients, *fate)
        steps = asyncio.create_task(self.steps(until))
        await asyncio.wait({watched, steps}, return_when=asyncio.FIRST_COMPLETED)
        if watched.done():
            watched.result()
        await steps
        run.stopping = True
        for client in waiting:
            client.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await watched
        await self.afterwards(before)
        # the servers end with the threads that started them, which are the loop's
        self.verdict()

    async def steps(self, until):
        await self.quiet()
        await self.handover()
        await self.quiet()
        # what the first storm of logins leaves to the allocator is no growth: one is compared with the next
        self.samples.clear()
        while True:
            await self.full_disk()
            await self.crash()
            await self.quiet()
            if time.monotonic() > until:
                return

    async def afterwards(self, before):
        """When all have left."""
        self.say("all have left")
        run, last = self.run, self.instances[-1]
        await run.until(
            f"descriptors are back at {before}, not {descriptors(last.pid)}",
            lambda: descriptors(last.pid) <= before,
        )
        held = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'soak'"
        await run.until("the server's connections end", lambda: self.cluster.sql(held) == "0")
        os.kill(last.pid, signal.SIGTERM)
        await self.ended(last)

    def verdict(self):
        run = self.run
        rows = self.cluster.sql("COPY (SELECT value, count(*) FROM ledger GROUP BY 1) TO STDOUT", "soak")
        rows = dict(line.split("\t") for line in rows.splitlines())
        if lost := run.acknowledged - rows.keys():
            run.fault(f"{len(lost)} acknowledged rows are lost: {sorted(lost)[:3]}")
        if strange := rows.keys() - run.sent:
            run.fault(f"{len(strange)} rows that nobody sent: {sorted(strange)[:3]}")
        if twice := [value for value, count in rows.items() if count != "1"]:
            run.fault(f"{len(twice)} rows are there twice: {sorted(twice)[:3]}")
        if not run.acknowledged:
            run.fault("no row was acknowledged")
        if run.counts["ended, one by one"] > run.killed:
            run.fault(f"{run.counts['ended, one by one']} ended, though only {run.killed} were to be")
        first, last = self.samples[0], self.samples[-1]
        if last > first * 1.25 + 16 + LOGIN * self.steady / 1024:
            run.fault(f"memory grew from {first:.0f} to {last:.0f} MiB")
        if self.peak > (limit := (SHARED + SESSION * self.steady) / 1024):
            run.fault(f"memory reached {self.peak:.0f} MiB, more than {limit:.0f}")
        log = self.books.check(self.disk, self.cluster)
        print(f"{self.idle} idle clients, {self.own} of them with a server process; {ACTIVE} active, {SLOW} slow, {SILENT} silent, {VANISHING} vanishing clients")
        print(", ".join(f"{count} {what}" for what, count in sorted(run.counts.items())))
        print(f"{len(rows)} rows, {len(run.acknowledged)} acknowledged; the log on {self.disk}: {log}")
        print(f"memory {first:.0f} MiB, at the end {last:.0f}, at most {self.peak:.0f}")


def listens(pid, port):
    """Whether a process has a listening socket of its own on a port of 127.0.0.1."""
    local = f"0100007F:{port:04X}"
    sockets = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1] == local and words[3] == "0A":
            sockets.add(f"socket:[{words[9]}]")
    try:
        return any(os.readlink(link) in sockets for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def main():
    began = time.monotonic()
    try:
        with Ground() as ground:
            soak = Soak(ground)
            try:
                asyncio.run(asyncio.wait_for(soak.live(), 4 * SECONDS + 600))
            finally:
                soak.disk.close()
    except Failed as error:
        print(f"the soak failed: {error}", file=sys.stderr)
        return 1
    except asyncio.TimeoutError:
        print("the soak failed: it does not come to an end", file=sys.stderr)
        return 1
    if not can_vanish():
        print("no client vanished without a packet: that takes root", file=sys.stderr)
    print(f"{time.monotonic() - began:.0f} s, {len(soak.run.faults)} faults")
    return 1 if soak.run.faults else 0


if __name__ == "__main__":
    sys.exit(main())
