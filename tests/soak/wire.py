"""A client's end of PostgreSQL's protocol: a login, messages out, whole answers in."""

import asyncio
import socket
import struct

PROTOCOL_3 = 196608
TCP_REPAIR = 19


class Ended(Exception):
    """The session is over; `code` is the SQLSTATE that said so, None where nothing was said."""

    def __init__(self, code=None, message=""):
        super().__init__(f"{code} {message}")
        self.code, self.message = code, message


def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


def startup(parameters):
    body = struct.pack("!I", PROTOCOL_3)
    for name, value in parameters.items():
        body += name.encode() + b"\0" + value.encode() + b"\0"
    return struct.pack("!I", len(body) + 5) + body + b"\0"


def parse(name, text):
    return message(b"P", name.encode() + b"\0" + text.encode() + b"\0\0\0")


def bind(name, *values):
    values = [value.encode() for value in values]
    body = b"\0" + name.encode() + b"\0\0\0" + struct.pack("!H", len(values))
    body += b"".join(struct.pack("!I", len(value)) + value for value in values)
    return message(b"B", body + b"\0\0")


EXECUTE = message(b"E", b"\0\0\0\0\0")
SYNC = message(b"S", b"")
TERMINATE = message(b"X", b"")


def query(text):
    return message(b"Q", text.encode() + b"\0")


class Answer:
    """What came up to a ReadyForQuery: the types of messages, the rows, an error's SQLSTATE."""

    def __init__(self):
        self.types, self.rows, self.code, self.message = "", [], None, ""


def columns(body):
    values, at = [], 2
    for _ in range(struct.unpack("!H", body[:2])[0]):
        length = struct.unpack("!i", body[at : at + 4])[0]
        at += 4
        values.append(None if length < 0 else body[at : at + length].decode())
        at += max(length, 0)
    return values


def fields(body):
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0")}


class Session:
    """A connection that reads whole messages."""

    @classmethod
    async def login(cls, port, parameters):
        """Gives a session; `Ended` where the login is refused, OSError where nothing listens."""
        self = cls()
        self.prepared = False
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            self.writer.write(startup(parameters))
            await self.answer()
        except BaseException:
            self.writer.transport.abort()
            raise
        return self

    def send(self, *messages):
        self.writer.write(b"".join(messages))

    async def receive(self):
        try:
            head = await self.reader.readexactly(5)
            return head[:1], await self.reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Ended from error

    async def answer(self):
        """All up to the next ReadyForQuery. A FATAL error ends the session."""
        answer = Answer()
        while True:
            kind, body = await self.receive()
            if kind == b"E":
                error = fields(body)
                answer.code, answer.message = error.get("C"), error.get("M")
                if error.get("V") != "ERROR":
                    raise Ended(answer.code, answer.message)
            if kind == b"D":
                answer.rows.append(columns(body))
            if kind not in b"NSKR":
                answer.types += kind.decode()
            if kind == b"Z":
                return answer

    async def leave(self):
        """Says goodbye; gives what came though nothing was owed."""
        try:
            self.send(TERMINATE)
            return await self.reader.read()
        except OSError:
            return b""
        finally:
            self.close()

    def close(self):
        self.writer.close()

    def reset(self):
        """Ends the connection with a RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def vanish(self):
        """Is gone without a packet, as where a cable is pulled. Needs CAP_NET_ADMIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.writer.transport.abort()
