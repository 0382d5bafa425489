"""A server for clients that are idle, at the price of a socket instead of a process each.

    standin.py PORT SERVER_PORT FILE

The first login is passed on to the real server, and what that answers is kept: to the startup packet,
and to each Sync or Query behind it; FILE keeps it for the next start. Later logins get the same answers.
On SIGUSR1 three of its connections end as by pg_terminate_backend().
"""

import asyncio
import pickle
import random
import resource
import signal
import struct
import sys
from pathlib import Path

ENDED = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
ENDED = b"E" + struct.pack("!I", len(ENDED) + 4) + ENDED
KIND = slice(0, 1)
SYNC, QUERY, TERMINATE, READY = b"S", b"Q", b"X", b"Z"

record = Path(sys.argv[3])
answers = pickle.loads(record.read_bytes()) if record.exists() else []
recording = asyncio.Lock()
connections = set()


async def packet(reader):
    """A packet without a type: the first of a connection."""
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack("!I", head)[0] - 4)


async def message(reader):
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


async def request(reader):
    """All up to the message that is answered with ReadyForQuery."""
    whole = b""
    while True:
        one = await message(reader)
        whole += one
        if one[KIND] == TERMINATE:
            raise ConnectionError("goodbye")
        if one[KIND] in (SYNC, QUERY):
            return whole


async def answer(reader):
    whole = b""
    while True:
        one = await message(reader)
        whole += one
        if one[KIND] == READY:
            return whole


async def serve(reader, writer):
    upstream = None
    connections.add(writer)
    try:
        asked, number = await packet(reader), 0
        while True:
            async with recording:
                if number == len(answers):
                    # nobody has asked as much yet
                    if upstream is None:
                        if number:
                            raise ConnectionError("it asks for more than a login")
                        upstream = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
                    upstream[1].write(asked)
                    answers.append(await answer(upstream[0]))
                    record.write_bytes(pickle.dumps(answers))
            writer.write(answers[number])
            number += 1
            asked = await request(reader)
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        connections.discard(writer)
        writer.close()
        if upstream:
            upstream[1].close()


def end_some():
    for writer in random.sample(sorted(connections, key=id), min(3, len(connections))):
        writer.write(ENDED)
        writer.close()


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, end_some)
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
asyncio.run(main())
