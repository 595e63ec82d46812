#!/usr/bin/env python3
"""Measures the relay of pi's output against what people would use instead, in one run, and prints Markdown tables.

usage: bench.py BIN [SECTION ...] [--rounds N] [--quick]

BIN is the folder of the release programs. Rounds are interleaved (every peer once, then again), and medians are
reported beside their ratio to pi-socket's, because one run on a busy machine says little. CPU is that of the relay
process alone.
"""
import argparse
import contextlib
import json
import math
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def cpu_seconds(pid):
    """What a process has run, in seconds, its threads that have ended included: its clock by clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_kilobytes(pid, field="VmRSS"):
    """What a process holds now, or with VmHWM what it has held at most."""
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith(field)), 0)


def own_kilobytes(pid):
    """What a process holds of its own: pages of its program's file come with use and go again at any time."""
    return resident_kilobytes(pid, "RssAnon")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    """Asked of the system: a connection to try it would be the only one that some relays take."""
    with open("/proc/net/tcp") as sockets:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in sockets)


def wait_for_port(port, process):
    """Until a process listens there, or has ended; other people's programs do not announce it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if is_listening(port):
            return
        time.sleep(0.02)
    raise SystemExit(f"bench: {process.args[0]} does not listen on port {port}")


def ready_port(process):
    """The port in the ready line of one of our programs."""
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"bench: {process.args[0]} did not start")
    return int(json.loads(line)["url"].split(":")[2].split("/")[0])


class Relay:
    """A running relay in front of a bench-source."""

    def __init__(self, name, process, port, path="/", prompt='{"type":"prompt"}', options=()):
        self.name, self.process, self.port, self.path, self.prompt, self.options = (
            name, process, port, path, prompt, list(options))

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class FellBehind(Exception):
    """The client was kept from running for so long that its place in the log was forgotten."""


class Bench:
    def __init__(self, binaries, quick):
        self.binaries, self.quick = os.path.abspath(binaries), quick
        self.home = tempfile.mkdtemp(prefix="hypi-bench-")
        # Debian's node-ws is found by Debian's node alone, unless told.
        self.environment = {"HOME": self.home, "PATH": os.environ["PATH"], "NODE_PATH": "/usr/share/nodejs"}

    def program(self, name):
        return os.path.join(self.binaries, name)

    def start(self, words, variables=(), **more):
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.home,
            env={**self.environment, **dict(variables)}, start_new_session=True, **more)

    # The peers: each takes the words of a bench-source.

    def pi_socket(self, source, *options, name="pi-socket", client=()):
        # The others hold the program back; pi is never held back, so that what a reader lags has to fit into the log.
        options = options or ("--replay", "32M")
        process = self.start(
            [self.program("pi-socket"), "--standalone", "--no-auth", "--no-extension", "--port", "0", *options,
             "--pi", " ".join(source)], stdout=subprocess.PIPE)
        return Relay(name, process, ready_port(process), "/ws", "go", client)

    def pi_socket_delta(self, source):
        hello = json.dumps({"type": "hello", "protocolVersion": 1, "clientId": "bench", "stream": "delta"})
        relay = self.pi_socket(source, name="pi-socket, delta", client=["-q", "pi-server.v1", "-H", hello])
        relay.prompt = json.dumps({"type": "command", "payload": {"type": "prompt", "message": "go"}})
        return relay

    def deflated(self, start):
        """The same relay, with a client that takes compressed messages."""
        def begin(source):
            relay = start(source)
            relay.options.append("-z")
            return relay
        return begin

    def websocketd(self, source):
        port = free_port()
        process = self.start(
            ["websocketd", "--address=127.0.0.1", f"--port={port}", "--loglevel=error", *source],
            stdout=subprocess.DEVNULL)
        wait_for_port(port, process)
        return Relay("websocketd", process, port)

    def node(self, source, variables=()):
        port = free_port()
        process = self.start(
            ["node", f"{HERE}/peers/fan-out.js", str(port), *source], variables, stdout=subprocess.PIPE)
        process.stdout.readline()
        return Relay("node ws", process, port)

    def node_deflated(self, source):
        return self.node(source, {"DEFLATE": "1"})

    def python(self, source):
        port = free_port()
        process = self.start([sys.executable, f"{HERE}/peers/fan_out.py", str(port), *source], stdout=subprocess.PIPE)
        process.stdout.readline()
        return Relay("python websockets", process, port)

    def socat(self, source):
        port = free_port()
        process = self.start(
            ["socat", "-b65536", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,nodelay", f"EXEC:{' '.join(source)}"],
            stdout=subprocess.DEVNULL)
        wait_for_port(port, process)
        return Relay("socat", process, port, options=["-r"])

    def measure(self, relay, *options, each_prompts=False):
        """Runs a client; what it printed, with `cpu` and `rss` of the relay."""
        pid = relay.process.pid
        before = cpu_seconds(pid)
        prompt = ("all:" if each_prompts else "") + relay.prompt
        client = subprocess.run(
            [self.program("bench-client"), *relay.options, *map(str, options), str(relay.port), relay.path, prompt],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        if "closed with 1013" in client.stderr:
            raise FellBehind(f"{relay.name}: {client.stderr.strip()}")
        if client.returncode != 0:
            raise SystemExit(f"bench: {relay.name}: {client.stderr.strip()}")
        result = json.loads(client.stdout)
        # One that serves a single connection (socat) ends with it, and is asked while it lies unreaped.
        result["cpu"] = cpu_seconds(pid) - before
        result["rss"] = resident_kilobytes(pid)
        return result

    def source(self, size, count, rate, *more):
        return [self.program("bench-source"), str(size), str(count), str(rate), *more]

    def once(self, start, source, *options, **more):
        for _ in range(5):
            relay = start(source)
            try:
                return self.measure(relay, *options, **more)
            except FellBehind as fault:
                print(f"bench: {fault}; measured again", file=sys.stderr)
            finally:
                relay.stop()
        raise SystemExit("bench: the client does not keep up")

    def rounds(self, rounds, peers, measure):
        """Each peer in turn, again and again: name to the results of all rounds."""
        results = {}
        for _ in range(rounds):
            for name, start in peers.items():
                results.setdefault(name, []).append(measure(name, start))
        return results

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)


def median(results, value):
    return statistics.median(value(one) for one in results)


def exponent(points):
    """Of y against x: the slope of a least-squares line through the logarithms."""
    logs = [(math.log(x), math.log(y)) for x, y in points if y > 0]
    mean_x, mean_y = (statistics.fmean(one[i] for one in logs) for i in (0, 1))
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def table(title, results, columns):
    """Columns: (heading, value of one result, digits). The ratio is to the first row."""
    print(f"\n### {title}\n")
    heads = [part for heading, _, _ in columns for part in (heading, "ratio")]
    print("| | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    first = next(iter(results.values()))
    for name, rows in results.items():
        cells = []
        for _, value, digits in columns:
            mine, base = median(rows, value), median(first, value)
            cells += [f"{mine:,.{digits}f}", f"{mine / base:.2f}" if base else "-"]
        print(f"| {name} | " + " | ".join(cells) + " |")
    sys.stdout.flush()


@contextlib.contextmanager
def awake_processors():
    """Keeps the processors from sleeping with loops of idle priority: else most of the latency is their waking up."""
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"])
        for _ in range(os.cpu_count())
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextlib.contextmanager
def ahead_of_others():
    """Real-time priority for what is measured: else the 99th percentile is the time slices of whatever else runs.

    Where that is not allowed the peers are measured as they are, and the table says so.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        yield "beside what else runs (real-time priority needs root)"
        return
    try:
        yield "ahead of what else runs"
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def throughput(bench, rounds):
    count = 20_000 if bench.quick else 200_000
    peers = {"pi-socket": bench.pi_socket, "websocketd": bench.websocketd, "node ws": bench.node}
    if not bench.quick:
        peers["python websockets"] = bench.python
        peers["socat"] = bench.socat
    results = bench.rounds(rounds, peers, lambda _, start: bench.once(start, bench.source(320, count, 0)))
    table(f"{count:,} records of 320 bytes to one viewer", results, [
        ("records a second", lambda r: r["frames"] / r["seconds"], 0),
        ("CPU µs a record", lambda r: r["cpu"] / r["frames"] * 1e6, 2)])
    # A gigabyte: the first filling of pi-socket's log, for which the system clears pages, is a small part of it.
    count //= 2
    large = bench.rounds(rounds, peers, lambda _, start: bench.once(start, bench.source(10_000, count, 0)))
    table(f"{count:,} records of 10 KB to one viewer", large, [
        ("MB a second", lambda r: r["bytes"] / r["seconds"] / 1e6, 0),
        ("CPU µs a record", lambda r: r["cpu"] / r["frames"] * 1e6, 2)])
    return {"small": results, "large": large}


def latency(bench, rounds):
    peers = {"pi-socket": bench.pi_socket, "websocketd": bench.websocketd, "node ws": bench.node, "socat": bench.socat}
    with awake_processors(), ahead_of_others() as priority:
        for rate, seconds in ((200, 5), (5000, 4)):
            results = bench.rounds(
                rounds, peers, lambda _, start: bench.once(start, bench.source(320, rate * seconds, rate)))
            table(f"Added latency at {rate:,} records a second, processors awake, {priority}", results, [
                ("p50 µs", lambda r: r["p50"], 0), ("p99 µs", lambda r: r["p99"], 0)])


def fan_out(bench, rounds):
    """Records at a leisurely rate, each of which is a system call for each viewer."""
    fan(bench, rounds, 2000, {1: 4000, 10: 4000, 100: 1000, 500: 200}, 1)


def flood(bench, rounds):
    """Records as fast as they are taken; the peers, who take ten times as long and longer, get fewer of them."""
    fan(bench, rounds, 0, {1: 100_000, 10: 100_000, 100: 20_000, 500: 8_000}, 0.1)


def fan(bench, rounds, rate, counts, part_of_peers):
    for viewers, count in counts.items():
        count = count // 10 if bench.quick else count
        peers = {"pi-socket": bench.pi_socket, "node ws": bench.node, "websocketd": bench.websocketd}
        # It starts a program for each viewer, and 500 of them do not fit beside the rest.
        if viewers == 500:
            del peers["websocketd"]

        def measure(name, start):
            records = count if name == "pi-socket" else int(count * part_of_peers)
            return bench.once(
                start, bench.source(320, records, rate), "-c", viewers, each_prompts=name == "websocketd")

        results = bench.rounds(rounds, peers, measure)
        pace = f"at {rate:,} a second" if rate else "flat out"
        table(f"{count:,} records of 320 bytes {pace} to {viewers} viewers", results, [
            ("CPU µs a delivered frame", lambda r: r["cpu"] / r["frames"] * 1e6, 3),
            ("p50 µs", lambda r: r["p50"], 0), ("RSS KB", lambda r: r["rss"], 0)])


def stalled(bench, rounds):
    peers = {"pi-socket": bench.pi_socket, "pi-socket, one stalled": bench.pi_socket}
    results = bench.rounds(rounds, peers, lambda name, start: bench.once(
        start, bench.source(320, 200_000, 0), *(["-s", 1] if "stalled" in name else [])))
    table("A viewer that never reads beside one that does", results, [
        ("records a second", lambda r: r["frames"] / r["seconds"], 0), ("RSS KB", lambda r: r["rss"], 0)])


def cumulative_answer(path, text=None, updates=2500, size=10_000):
    """An answer of 10 KB in 2,500 updates as pi before 0.84 writes it: each holds the whole message so far, twice."""
    words = ((text or "The quick brown fox jumps over the lazy dog while ") * 300)[:size]
    with open(path, "w") as file:
        def put(record):
            file.write(json.dumps(record, separators=(",", ":")) + "\n")

        def message(text):
            return {"role": "assistant", "content": [{"type": "text", "text": text}], "api": "x", "provider": "x",
                    "model": "x", "stopReason": "stop", "timestamp": 1}

        put({"type": "agent_start"})
        put({"type": "message_start", "message": message("")})
        step = size // updates
        for n in range(updates):
            so_far = words[:(n + 1) * step]
            put({"type": "message_update", "message": message(so_far), "assistantMessageEvent": {
                "type": "text_delta", "contentIndex": 0, "delta": words[n * step:(n + 1) * step],
                "partial": message(so_far)}})
        put({"type": "message_end", "message": message(words)})
        put({"type": "agent_end", "messages": []})


def delta(bench, rounds):
    path = os.path.join(bench.home, "answer.ndjson")
    peers = {
        "pi-socket, delta": bench.pi_socket_delta, "pi-socket, delta, compressed": bench.deflated(bench.pi_socket_delta),
        "pi-socket": bench.pi_socket, "pi-socket, compressed": bench.deflated(bench.pi_socket),
        "node ws": bench.node, "node ws, compressed": bench.deflated(bench.node_deflated)}
    # Text that never repeats itself compresses least; what a model says lies between the two.
    with open(os.path.join(HERE, "../../specs/protocol.md")) as file:
        prose = " ".join(file.read().split())
    for kind, text in (("of one sentence again and again", None), ("of the text of specs/protocol.md", prose)):
        cumulative_answer(path, text)
        results = bench.rounds(rounds, peers, lambda _, start: bench.once(start, bench.source(0, 0, 0, path)))
        size = os.path.getsize(path) / 1e6
        table(f"A 10 KB answer {kind} in 2,500 cumulative updates ({size:.1f} MB of pi's)", results, [
            ("bytes on the wire", lambda r: r["wire"], 0), ("CPU ms", lambda r: r["cpu"] * 1e3, 1)])


def delta_fan_out(bench, rounds):
    """What compressing costs beside one viewer more, and beside many that share it."""
    path = os.path.join(bench.home, "answer.ndjson")
    cumulative_answer(path)
    peers = {"pi-socket, delta": bench.pi_socket_delta, "pi-socket, delta, compressed": bench.deflated(bench.pi_socket_delta)}
    for viewers in (1, 10, 100):
        results = bench.rounds(
            rounds, peers, lambda _, start: bench.once(start, bench.source(0, 0, 0, path), "-c", viewers))
        table(f"The same answer to {viewers} viewers of the delta stream", results, [
            ("bytes on the wire", lambda r: r["wire"], 0), ("CPU ms", lambda r: r["cpu"] * 1e3, 1)])


def idle(bench, rounds):
    """Memory of each process that only waits, and the processor time it takes meanwhile."""
    print("\n### At rest\n\n| | RSS KB | KB more a viewer | CPU µs a second |\n|---|---|---|---|")
    for name, start in (("pi-socket", bench.pi_socket), ("websocketd", bench.websocketd), ("node ws", bench.node)):
        relay = start(bench.source(320, 1, 0))
        try:
            sockets = [viewer(relay)]
            time.sleep(1)
            pid = relay.process.pid
            base, own, cpu = resident_kilobytes(pid), own_kilobytes(pid), cpu_seconds(pid)
            time.sleep(5)
            cpu = (cpu_seconds(pid) - cpu) / 5
            sockets += [viewer(relay) for _ in range(200)]
            time.sleep(1)
            more = (own_kilobytes(pid) - own) / 200
            print(f"| {name} | {base:,} | {more:.1f} | {cpu * 1e6:.0f} |", flush=True)
        finally:
            relay.stop()


def viewer(relay):
    connection = socket.create_connection(("127.0.0.1", relay.port))
    connection.sendall((
        f"GET {relay.path} HTTP/1.1\r\nHost: 127.0.0.1:{relay.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    if not select.select([connection], [], [], 10)[0] or b" 101 " not in connection.recv(4096):
        raise SystemExit(f"bench: {relay.name} refuses a viewer")
    return connection


SECTIONS = {
    f.__name__.replace("_", "-"): f for f in (throughput, latency, fan_out, flood, stalled, delta, delta_fan_out, idle)}


def arguments(document, sections, rounds, *flags):
    """What stands on the command line, BIN [SECTION ...] [--rounds N] and flags; all sections where none is named."""
    parser = argparse.ArgumentParser(description=document.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(sections))
    parser.add_argument("--rounds", type=int, default=rounds)
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    unknown = [name for name in options.sections if name not in sections]
    if unknown:
        parser.error(f"no section {unknown[0]}; there are {', '.join(sections)}")
    options.sections = options.sections or list(sections)
    return options


def main():
    options = arguments(__doc__, SECTIONS, 3, "--quick")
    bench = Bench(options.binaries, options.quick)
    try:
        for name in options.sections:
            SECTIONS[name](bench, options.rounds)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
