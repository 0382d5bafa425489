"""Clients whose statements have to be on record, the disk of the log, and the log held against what
the clients were told and what the server has."""

import asyncio
import collections
import ctypes
import json
import os
import random
import re

from wire import Ended, query

from ground import Failed, run as command  # noqa: I001

UNAVAILABLE = "58030"
DENIED = "42501"
CLONE_NEWNS = 0x20000
SIZE = 64 << 20


class Disk:
    """Where the log is: a file system of its own where this process may mount one, which ends with
    the process. Elsewhere a full disk is the device that is always full, in the log's place."""

    def __init__(self, folder):
        self.folder = folder / "log"
        self.folder.mkdir()
        self.log = self.folder / "audit.jsonl"
        self.aside = self.folder / "aside.jsonl"
        self.mounted = self._mount()

    def _mount(self):
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
            return False
        try:
            command("mount", "--make-rprivate", "/")
            command("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "soak", self.folder)
        except (Failed, OSError):
            return False
        return True

    def __str__(self):
        return "a tmpfs" if self.mounted else "/dev/full in its place"

    def fill(self):
        if not self.mounted:
            self.log.rename(self.aside)
            self.log.symlink_to("/dev/full")
            return
        with open(self.folder / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"\0" * 4096)
            except OSError:
                pass

    def free(self):
        if self.mounted:
            (self.folder / "filler").unlink()
        else:
            os.replace(self.aside, self.log)

    def close(self):
        if self.mounted:
            command("umount", "-l", self.folder, check=False)


class Books:
    """What was asked for, and what its clients were told."""

    def __init__(self, run):
        self.run = run
        self.blocked, self.created, self.refused = set(), set(), set()
        # the log may be unwritable now
        self.full = False

    async def blocker(self, number):
        """Tries what it may not, for ever: each time it is told so, and it is on record."""
        run, session, count = self.run, None, 0
        while not run.stopping:
            session = session or await run.login(application_name="blocked")
            if session is None:
                return
            count += 1
            name = f"kept_{number}_{count}"
            try:
                session.send(query(f"DROP TABLE {name}"))
                answer = await session.answer()
                if answer.code == DENIED:
                    self.blocked.add(name)
                else:
                    run.fault(f"DROP TABLE came to {answer.code} {answer.message}")
            except (Ended, OSError) as error:
                run.lost(session, error)
                session = None
            await asyncio.sleep(random.uniform(0.05, 0.4))
        if session:
            await run.leave(session)

    async def confirmer(self, number):
        """Makes tables on prod, confirmed: each is on record before it is made."""
        run, session, count = self.run, None, 0
        while not run.stopping:
            try:
                session = session or await run.login(
                    application_name="confirmed",
                    options="-c authority.confirm_prod_migrations=true",
                )
                if session is None:
                    return
                count += 1
                await self.make(session, f"made_{number}_{count}")
            except (Ended, OSError) as error:
                if isinstance(error, Ended) and error.code == UNAVAILABLE:
                    self.unavailable("a confirmation", error.message)
                else:
                    run.lost(session, error)
                    session = None
            await asyncio.sleep(random.uniform(0.2, 1))
        if session:
            await run.leave(session)

    async def make(self, session, name):
        session.send(query(f"CREATE TABLE {name} ()"))
        answer = await session.answer()
        if answer.code is None:
            self.created.add(name)
        elif answer.code == UNAVAILABLE:
            self.refused.add(name)
            self.unavailable(name, answer.message)
        else:
            self.run.fault(f"CREATE TABLE came to {answer.code} {answer.message}")

    def unavailable(self, what, why):
        self.run.counts["refused while the disk was full"] += 1
        if not self.full:
            self.run.fault(f"{what} was refused though the log can be written: {why}")

    def check(self, disk, cluster):
        """Holds the log against what clients were told and what there is."""
        fault = self.run.fault
        events, broken = read(disk.log)
        blocked = collections.Counter(named(events, "statement_blocked", "kept"))
        confirmed = collections.Counter(named(events, "ddl_confirmed", "made"))
        there = set(cluster.sql("SELECT relname FROM pg_class WHERE relname ~ '^made_'", "soak").split())
        if few := self.blocked - blocked.keys():
            fault(f"{len(few)} blocked statements are not on record: {sorted(few)[:3]}")
        if few := there - confirmed.keys():
            fault(f"{len(few)} tables without a record of them: {sorted(few)[:3]}")
        if few := self.created - there:
            fault(f"{len(few)} tables are lost: {sorted(few)[:3]}")
        if many := self.refused & (there | confirmed.keys()):
            fault(f"{len(many)} refused statements ran, or are on record as sent: {sorted(many)[:3]}")
        if many := [name for name, count in (blocked + confirmed).items() if count > 1]:
            fault(f"{len(many)} statements are on record twice: {sorted(many)[:3]}")
        outcomes = collections.defaultdict(list)
        for event in events:
            if event["event"] == "ddl_outcome":
                outcomes[event["id"]].append(event["outcome"])
        for event in events:
            for name in named([event], "ddl_confirmed", "made"):
                came = outcomes[event["id"]]
                allowed = {"committed"} if name in self.created else (
                    {"committed", "unknown"} if name in there else {"failed", "unknown", "rolled_back"}
                )
                if len(came) != 1 or came[0] not in allowed:
                    fault(f"{name} came to {came}, not to one of {sorted(allowed)}")
        kinds = collections.Counter(event["event"] for event in events)
        for kind in ("config_loaded", "config_refused", "confirmation_set"):
            if not kinds[kind]:
                fault(f"no {kind} is on record")
        return f"{len(events)} events, {broken} lines cut off by the full disk"


def read(log):
    """The events of the log, and how many lines are none: those that a full disk cut off."""
    events, broken = [], 0
    for line in log.read_bytes().split(b"\n"):
        try:
            if line:
                events.append(json.loads(line))
        except ValueError:
            broken += 1
    return events, broken


def named(events, kind, prefix):
    """The names in the statements of events of a kind."""
    pattern = re.compile(rf"\b{prefix}_\d+_\d+\b")
    for event in events:
        if event["event"] == kind:
            yield from pattern.findall(event.get("statement", ""))
