"""What all clients of one soak share: what was found wrong, who is connected, what may end whom."""

import asyncio
import collections
import random
import sys
import time

from wire import Ended, Session

# what a client may see when its server process, its server or its instance is ended
ENDINGS = {"57P01", "57P02", "57P03", "08006", "53300"}


class Run:
    """The state of one soak."""

    def __init__(self, port, steady, logins, login_timeout):
        self.port, self.steady, self.login_timeout = port, steady, login_timeout
        self.stopping = False
        self.faults = []
        self.counts = collections.Counter()
        self.live = set()
        # while a server or an instance is ended anybody's session may be
        self.storm = False
        # while everyone is waited for nobody is ended: there would always be one who is not back yet
        self.gathering = False
        self.epoch = 0
        self.killed = 0
        self._logins = asyncio.Semaphore(logins)
        # rows that a client asked to have written, and those it was told are
        self.sent, self.acknowledged = set(), set()

    def fault(self, what):
        if len(self.faults) < 20:
            print(f"soak: {what}", file=sys.stderr)
        self.faults.append(what)

    def ended(self, error):
        """A session, or a login, came to an end that this client did not ask for."""
        if isinstance(error, Ended) and error.code not in ENDINGS | {None}:
            self.fault(f"an error that nobody asked for: {error}")
        self.counts["ended, all at once" if self.storm else "ended, one by one"] += 1

    async def login(self, steady=True, **parameters):
        """A session, or None where the soak is over. `steady`: whether it counts as one of those
        that are back when a storm is over."""
        parameters = {"user": "postgres", "database": "soak", **parameters}
        while not self.stopping:
            async with self._logins:
                began = time.monotonic()
                try:
                    session = await Session.login(self.port, parameters)
                except (Ended, OSError) as error:
                    if isinstance(error, Ended) and error.code == "58030":
                        raise
                    if time.monotonic() - began >= self.login_timeout:
                        self.counts["logins too late"] += 1
                    else:
                        self.ended(error)
                else:
                    session.epoch = self.epoch
                    if steady:
                        self.live.add(session)
                    self.counts["logins"] += 1
                    return session
            await asyncio.sleep(random.uniform(0.05, 0.3))
        return None

    def lost(self, session, error):
        """A session ended by itself."""
        self.ended(error)
        self.live.discard(session)
        session.close()

    async def leave(self, session):
        """A session that ends because the client wants it to: nothing may come any more."""
        self.live.discard(session)
        try:
            rest = await asyncio.wait_for(session.leave(), 240)
        except asyncio.TimeoutError:
            return self.fault("a client said goodbye, and nobody hung up")
        # what is ended as it leaves is told so
        if rest and rest[:1] != b"E":
            self.fault(f"more came than was asked for: {rest[:200]!r}")

    async def until(self, what, condition, seconds=240):
        """Waits for a condition, at most `seconds`: a limit that says "never"."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self.fault(f"not within {seconds} s: {what}")
                return False
            await asyncio.sleep(0.1)
        return True

    async def everyone(self, reborn=False):
        """Waits until every steady client has a session; `reborn`: one begun in this epoch."""
        def back():
            return len(self.live) == self.steady and not (
                reborn and any(session.epoch != self.epoch for session in self.live)
            )

        self.gathering = True
        everyone = await self.until(f"{self.steady} clients connected", back)
        self.gathering = False
        return everyone
