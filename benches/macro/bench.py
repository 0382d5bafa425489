#!/usr/bin/env python3
"""What the proxy adds, beside what PgBouncer and HAProxy add, on this machine.

    benches/macro/bench.py [--quick | --full] [--peers LIST] [--only TEXT] [--json FILE]

pgbench runs through each peer in turn, round by round (A B C D, B C D A, …), so that a noisy
neighbour disturbs all alike. A figure is the median of the rounds; a ratio is taken within a round
first. CPU is the proxy's own, user and system, from /proc, per transaction. Every peer forwards
plain connections to the same PostgreSQL 15 on this machine, one server connection for one client
(PgBouncer in session pooling, HAProxy in TCP mode); pgauthority judges every statement, for an
upstream whose role is prod.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "scripts"))

from ground import BIN, NEON_HOST, Failed, Ground, free_port, listening, run  # noqa: E402

PEERS = ("pgauthority", "pgbouncer", "haproxy", "direct")
REFERENCE = "pgbouncer"
TICK = os.sysconf("SC_CLK_TCK")

# name, pgbench's arguments
LOADS = [
    ("select simple", ["-S", "-M", "simple"]),
    ("select extended", ["-S", "-M", "extended"]),
    ("select prepared", ["-S", "-M", "prepared"]),
    ("tpcb simple", ["-b", "tpcb-like", "-M", "simple"]),
]


# -- the peers -------------------------------------------------------------------------------------


class Peer:
    """Something that pgbench connects to; its process, where it is one."""

    def __init__(self, name, port, server=None):
        self.name, self.port, self.server = name, port, server

    def cpu(self):
        """Seconds of user and system time so far, of all its threads."""
        if self.server is None:
            return 0.0
        stat = Path(f"/proc/{self.server.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self):
        """Resident bytes."""
        for line in Path(f"/proc/{self.server.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Failed(f"{self.name}: no VmRSS")


def start_pgauthority(ground, upstream):
    folder = ground.folder
    port = free_port()
    config = folder / "pgauthority.toml"
    config.write_text(f"""
[server]
listen = ["127.0.0.1:{port}"]
[audit]
path = "{folder}/audit.jsonl"
[upstreams.bench]
authority = "neon"
role = "prod"
env = "prod-like"
url = "postgresql://postgres@{NEON_HOST}:{upstream}/bench?sslmode=disable&password="
hostaddr = "127.0.0.1"
[databases.bench]
upstream = "bench"
auth = "trust"
users = ["postgres"]
""")
    program = Path(os.environ.get("PGAUTHORITY", REPOSITORY / "target/release/pgauthority"))
    if not program.exists():
        raise Failed(f"{program} is not there: make build")
    environment = {"PGAUTHORITY_LOG": "error"}
    server = ground.start("pgauthority", program, "serve", "--config", config, env=environment)
    server.wait_until(listening(port), 10)
    return Peer("pgauthority", port, server)


def start_pgbouncer(ground, upstream):
    port = free_port()
    config = ground.folder / "pgbouncer.ini"
    config.write_text(f"""
[databases]
bench = host=127.0.0.1 port={upstream} dbname=bench user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = session
max_client_conn = 5000
default_pool_size = 2000
log_connections = 0
log_disconnections = 0
""")
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    server = ground.start("pgbouncer", program, config, user="postgres", how=signal.SIGQUIT)
    server.wait_until(listening(port), 10)
    return Peer("pgbouncer", port, server)


def start_haproxy(ground, upstream):
    port = free_port()
    config = ground.folder / "haproxy.cfg"
    config.write_text(f"""
global
    maxconn 5000
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen postgres
    bind 127.0.0.1:{port}
    server primary 127.0.0.1:{upstream}
""")
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    server = ground.start("haproxy", program, "-db", "-f", config)
    server.wait_until(listening(port), 10)
    return Peer("haproxy", port, server)


STARTERS = {
    "pgauthority": start_pgauthority,
    "pgbouncer": start_pgbouncer,
    "haproxy": start_haproxy,
    "direct": lambda _, upstream: Peer("direct", upstream),
}


# -- measuring -------------------------------------------------------------------------------------


def measure(peer, arguments, clients, seconds, folder):
    """One run of pgbench through a peer: tps, CPU µs a transaction, p50 and p99 in ms."""
    for old in folder.glob("latency*"):
        old.unlink()
    before = peer.cpu()
    ran = run(
        BIN / "pgbench", "-n", "-h", "127.0.0.1", "-p", peer.port, "-U", "postgres",
        "-c", clients, "-j", min(clients, 2), "-T", seconds,
        "-l", f"--log-prefix={folder / 'latency'}", "--sampling-rate=0.2", *arguments, "bench",
        env={"PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}, cwd=folder,
    )  # fmt: skip
    spent = peer.cpu() - before
    figures = {}
    for line in ran.stdout.splitlines():
        if line.startswith("number of transactions actually processed:"):
            figures["transactions"] = int(line.split(":")[1].split("/")[0])
        elif line.startswith("tps ="):
            figures["tps"] = float(line.split()[2])
    latencies = sorted(
        int(line.split()[2])
        for log in folder.glob("latency*")
        for line in log.read_text().splitlines()
    )
    if not latencies or not figures.get("transactions"):
        raise Failed(f"{peer.name}: pgbench says nothing\n{ran.stdout}{ran.stderr}")
    figures["cpu"] = spent / figures["transactions"] * 1e6
    figures["p50"] = latencies[len(latencies) // 2] / 1000
    figures["p99"] = latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)] / 1000
    return figures


def idle_client(port):
    """A client that has logged in, run one query and read its answer."""
    client = socket.create_connection(("127.0.0.1", port), 20)
    body = struct.pack("!I", 196608) + b"user\0postgres\0database\0bench\0\0"
    client.sendall(struct.pack("!I", len(body) + 4) + body)
    read_until_ready(client)
    client.sendall(b"Q" + struct.pack("!I", 13) + b"SELECT 1\0")
    read_until_ready(client)
    return client


def read_until_ready(client):
    seen = b""
    while seen[-6:-1] != b"Z\0\0\0\5":
        part = client.recv(65536)
        if not part:
            raise Failed(f"the connection ended: {seen!r}")
        seen += part


def idle_memory(peer, count):
    """Resident bytes a client that has logged in and waits."""
    idle_client(peer.port).close()
    time.sleep(0.2)
    before = peer.memory()
    clients = [idle_client(peer.port) for _ in range(count)]
    after = peer.memory()
    for client in clients:
        client.close()
    return (after - before) / count


# -- telling ---------------------------------------------------------------------------------------


def median_of(rounds, peer, figure):
    return statistics.median(figures[peer][figure] for figures in rounds)


def ratio_of(rounds, peer, figure):
    """Within each round, then the median; None without the reference or where it says nothing."""
    pairs = [
        (figures[peer][figure], figures[REFERENCE][figure])
        for figures in rounds
        if REFERENCE in figures and figures[REFERENCE][figure]
    ]
    return statistics.median(mine / theirs for mine, theirs in pairs) if pairs else None


def shown(value, digits):
    return "" if value is None else f"{value:,.{digits}f}"


def table(results, memory, peers):
    """One table: a block a load and number of clients, a line a peer."""
    lines = [
        f"{'load':<16} {'clients':>7}  {'peer':<12} {'tps':>9} {'×':>5}  {'CPU µs/tx':>9} {'×':>5}"
        f"  {'p50 ms':>8} {'p99 ms':>8}"
    ]
    for (load, clients), rounds in results.items():
        lines.append("")
        for index, peer in enumerate(peers):
            cpu = median_of(rounds, peer, "cpu") if peer != "direct" else None
            lines.append(
                f"{load if index == 0 else '':<16} {clients if index == 0 else '':>7}  {peer:<12} "
                f"{shown(median_of(rounds, peer, 'tps'), 0):>9} "
                f"{shown(ratio_of(rounds, peer, 'tps'), 2):>5}  "
                f"{shown(cpu, 1):>9} "
                f"{shown(ratio_of(rounds, peer, 'cpu') if cpu else None, 2):>5}  "
                f"{shown(median_of(rounds, peer, 'p50'), 3):>8} "
                f"{shown(median_of(rounds, peer, 'p99'), 3):>8}"
            )
    lines.append("")
    for index, (peer, size) in enumerate(memory.items()):
        title = "idle memory" if index == 0 else ""
        lines.append(f"{title:<16} {'':>7}  {peer:<12} {size / 1024:>9,.1f} KiB a client")
    lines.append("")
    lines.append(f"×: to {REFERENCE}, the median of the ratios within a round")
    return "\n".join(lines)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def read_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="about a minute: a first impression")
    size.add_argument("--full", action="store_true", help="half an hour: figures to publish")
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--only", default="", help="loads whose name has this text")
    parser.add_argument("--clients", help="numbers of clients (default: 1,32,256)")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of each run of pgbench")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "target/bench/macro.json")
    options = parser.parse_args()
    rounds, seconds, clients = (1, 2, "1,32") if options.quick else (3, 3, "1,32,256")
    if options.full:
        rounds, seconds = 7, 5
    options.rounds = options.rounds or rounds
    options.seconds = options.seconds or seconds
    options.clients = [int(number) for number in (options.clients or clients).split(",")]
    options.peers = [peer for peer in options.peers.split(",") if peer]
    # PgBouncer keeps its server connections when the clients have left
    options.idle = 200 if options.quick else 400
    unknown = set(options.peers) - set(PEERS)
    if unknown:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return options


def bench(options, ground):
    cluster = ground.cluster(
        "postgresql",
        auth="trust",
        settings=("max_connections = 1300", "shared_buffers = 256MB", "autovacuum = off",
                  "synchronous_commit = off", "max_wal_size = 4GB"),
    )  # fmt: skip
    cluster.sql("CREATE DATABASE bench")
    run(BIN / "pgbench", "-i", "-q", "-s", 10, "-h", cluster.folder, "-p", cluster.port,
        "-U", "postgres", "bench")  # fmt: skip
    peers = [STARTERS[name](ground, cluster.port) for name in options.peers]
    loads = [load for load in LOADS if options.only in load[0]]
    if options.quick and not options.only:
        loads = [loads[0], loads[2]]
    total = len(loads) * len(options.clients) * options.rounds * len(peers)
    # before any load: what a load has left allocated would serve idle clients too
    memory = {}
    for peer in peers:
        if peer.server is not None:
            progress(f"idle memory, {peer.name}")
            memory[peer.name] = idle_memory(peer, options.idle)
    results, runs = {}, 0
    for name, pgbench in loads:
        for clients in options.clients:
            rounds = results.setdefault((name, clients), [])
            for number in range(options.rounds):
                turn = number % len(peers)
                figures = {}
                for peer in peers[turn:] + peers[:turn]:
                    runs += 1
                    progress(f"{runs}/{total}  {name}, {clients} clients, {peer.name}")
                    figures[peer.name] = measure(
                        peer, pgbench, clients, options.seconds, ground.folder
                    )
                rounds.append(figures)
    progress("")
    return results, memory


def versions():
    def first(*command):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        return (ran.stdout or ran.stderr).splitlines()[0].strip()

    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": f"{os.cpu_count()} × {models[0] if models else platform.machine()}",
        "kernel": f"Linux {platform.release()}",
        "postgresql": first(BIN / "postgres", "--version"),
        "pgbouncer": first(shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", "--version"),
        "haproxy": first(shutil.which("haproxy") or "/usr/sbin/haproxy", "-v").split(" - ")[0],
    }


def main():
    options = read_arguments()
    try:
        with Ground() as ground:
            results, memory = bench(options, ground)
    except KeyboardInterrupt:
        return 130
    except Failed as error:
        print(f"the benchmark failed: {error}", file=sys.stderr)
        return 1
    machine = versions()
    print(", ".join(machine.values()))
    print(f"rounds: {options.rounds}, of {options.seconds} s a peer\n")
    print(table(results, memory, options.peers))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    data = {
        "machine": machine,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "results": [
            {"load": load, "clients": clients, "rounds": rounds}
            for (load, clients), rounds in results.items()
        ],
        "idle_memory": memory,
    }
    options.json.write_text(json.dumps(data, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
