"""Throw-away PostgreSQL clusters and whatever stands in front of them, for the demo and the
benchmark: started on free ports, ended and removed whatever happens.

    with Ground() as ground:
        prod = ground.cluster("prod", tls=True)
        replica = ground.replica("replica", prod)

Everything ends with the `with` block: at its end, on an exception, on Ctrl-C, on SIGTERM; and
where this process is killed, the kernel tells the servers. Python's standard library only.
"""

import atexit
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path("/usr/lib/postgresql/15/bin")
NEON_HOST = "ep-cool-name-123456.eu-central-1.aws.neon.tech"
PASSWORD = "s3cret"
ROOT = os.geteuid() == 0


class Failed(Exception):
    """Something could not be started; the message is for a person."""


# what this process has been given: a name for each port, which ends with it
PORTS: list[socket.socket] = []


def free_port() -> int:
    """A port of the loopback interface that nothing listens on, that no client's end of a connection is
    given (those are from 32768 on) and that no other run has been given while this process lives."""
    while True:
        port = random.randrange(10_000, 32_000)
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                claim.bind(f"\0pgauthority-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        PORTS.append(claim)
        return port


def run(*command, user=None, env=None, check=True, **options) -> subprocess.CompletedProcess:
    """Runs a command to its end and gives its output as text."""
    command = [str(word) for word in command]
    if user and ROOT:
        ids = ["--reuid", user, "--regid", user, "--clear-groups"]
        command = ["setpriv", *ids, "--", *command]
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(
        command,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    if check and done.returncode:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def locked(folder: Path) -> int | None:
    """A lock on a folder, which tells one in use from a leftover; none where it is in use or gone.

    A process id would not do: a run in another namespace may have the same.
    """
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.exists():
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


class Server:
    """A child process that ends with this one."""

    def __init__(self, name, log: Path, *command, user=None, env=None, death="TERM"):
        self.name, self.log = name, log
        ids = ["--reuid", user, "--regid", user, "--clear-groups"] if user and ROOT else []
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", *ids, "--pdeathsig", death, "--", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                # Ctrl-C is for the demo, which then ends the servers in order
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until(self, ready, seconds=30.0):
        """Waits until `ready()`; fails with the log's end where the process ends first."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                state = "ended" if self.process.poll() is not None else "is not ready"
                log = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
                raise Failed(f"{self.name} {state}\n{log}")
            time.sleep(0.01)
        return self

    def end(self, how=signal.SIGTERM, seconds=10.0):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def listening(port):
    """A condition: something accepts connections on a port of the loopback interface."""

    def ready():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return ready


class Cluster:
    """A PostgreSQL cluster in a folder of the ground."""

    def __init__(self, ground, name):
        self.ground, self.name = ground, name
        self.folder = ground.folder / name
        self.data = self.folder / "data"
        self.port = 0
        self.server = None

    def start(self):
        """Starts it, on the port that it had where it ran before."""
        again = self.port != 0
        # behind a crash its processes may linger for a while, and hold its shared memory
        attempts = 100 if again else 5
        for attempt in range(attempts):
            if not again:
                self.port = free_port()
            self.server = Server(
                self.name,
                self.folder / "server.log",
                BIN / "postgres", "-D", self.data, "-p", self.port,
                user="postgres",
                death="QUIT",
            )  # fmt: skip
            self.ground.servers.append((self.server, signal.SIGQUIT))
            try:
                self.server.wait_until(self._ready)
                return self
            except Failed:
                if attempt == attempts - 1:
                    raise
                time.sleep(0.5 if again else 0)
        return self

    def crash(self):
        """Kills its first process: the others end as they notice."""
        self.server.end(signal.SIGKILL)

    def _ready(self):
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # it is written line by line, the state last
        return len(lines) > 7 and lines[0] == str(self.server.pid) and lines[7].strip() == "ready"

    def configure(self, *lines):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write("\n" + "\n".join(lines) + "\n")

    def sql(self, statements, database="postgres") -> str:
        """Runs statements as the superuser over the Unix socket; gives psql's bare output."""
        done = run(
            BIN / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-U", "postgres",
            "-h", self.folder, "-p", self.port, "-c", statements,
        )  # fmt: skip
        return done.stdout.strip()


class Ground:
    """The folder of one run and the processes in it."""

    def __init__(self):
        self.folder = self.lock = None
        self.servers = []

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        base = Path(tempfile.gettempdir())
        for old in base.glob("pgauthority-ground.*"):
            lock = locked(old)
            if lock is not None:
                shutil.rmtree(old, ignore_errors=True)
                os.close(lock)
        while self.lock is None:  # another run can have taken it for a leftover just before
            self.folder = Path(tempfile.mkdtemp(prefix="pgauthority-ground.", dir=base))
            self.lock = locked(self.folder)
        self.folder.chmod(0o755)
        atexit.register(self.clean)
        return self

    def __exit__(self, *_):
        self.clean()

    def clean(self):
        """Ends every process, in the reverse order, and removes the folder. Can be called twice."""
        old = signal.signal(signal.SIGINT, signal.SIG_IGN)
        while self.servers:
            server, how = self.servers.pop()
            server.end(how)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        signal.signal(signal.SIGINT, old)

    def start(self, name, *command, how=signal.SIGTERM, **options) -> Server:
        """Starts a process that is ended with the ground."""
        server = Server(name, self.folder / f"{name}.log", *command, **options)
        self.servers.append((server, how))
        return server

    # -- certificates --------------------------------------------------------------------------

    @property
    def ca(self) -> Path:
        """The authority's certificate, made when first asked for."""
        certificate = self.folder / "ca.crt"
        if not certificate.exists():
            run(
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                "-subj", "/CN=throw-away CA", "-keyout", self.folder / "ca.key",
                "-out", certificate,
            )  # fmt: skip
        return certificate

    def certificate(self, folder: Path, *names):
        """Writes `server.crt` and `server.key` for these names into `folder`."""
        key, request, extensions = folder / "server.key", folder / "csr", folder / "ext"
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
        run(
            "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-subj", f"/CN={names[0][:60]}", "-keyout", key, "-out", request,
        )  # fmt: skip
        run(
            "openssl", "x509", "-req", "-days", 2, "-in", request, "-CA", self.ca,
            "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-extfile", extensions,
            "-out", folder / "server.crt",
        )  # fmt: skip
        key.chmod(0o600)
        request.unlink()
        extensions.unlink()

    # -- clusters ------------------------------------------------------------------------------

    def cluster(self, name, tls_names=(), auth="scram-sha-256", settings=()) -> Cluster:
        """A running cluster whose superuser is `postgres`, reached by password over TCP."""
        cluster = Cluster(self, name)
        cluster.folder.mkdir()
        cluster.folder.chmod(0o755)
        if ROOT:
            shutil.chown(cluster.folder, "postgres", "postgres")
        run(
            BIN / "initdb", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
            "--locale=C.UTF-8", "-D", cluster.data, user="postgres", cwd="/",
        )  # fmt: skip
        cluster.configure(
            "listen_addresses = '127.0.0.1'",
            f"unix_socket_directories = '{cluster.folder}'",
            "fsync = off",
            "full_page_writes = off",
            "log_line_prefix = '%m [%p] %q%u@%d '",
            *settings,
        )
        kind = "host"
        if tls_names:
            kind = "hostssl"
            self.certificate(cluster.data, *tls_names)
            cluster.configure("ssl = on")
        (cluster.data / "pg_hba.conf").write_text(
            "local all all trust\nlocal replication all trust\n"
            f"{kind} all all 127.0.0.1/32 {auth}\n"
        )
        self._own(cluster)
        return cluster.start()

    def replica(self, name, primary: Cluster) -> Cluster:
        """A streaming replica of a running cluster."""
        replica = Cluster(self, name)
        replica.folder.mkdir()
        replica.folder.chmod(0o755)
        if ROOT:
            shutil.chown(replica.folder, "postgres", "postgres")
        run(
            BIN / "pg_basebackup", "-h", primary.folder, "-p", primary.port, "-U", "postgres",
            "-D", replica.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
            user="postgres", cwd="/",
        )  # fmt: skip
        replica.configure(f"unix_socket_directories = '{replica.folder}'")
        return replica.start()

    @staticmethod
    def _own(cluster):
        if ROOT:
            run("chown", "-R", "postgres:postgres", cluster.folder)
