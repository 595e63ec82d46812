#!/usr/bin/env python3
"""Measures a hypivisor: registrations, connections, joins, its relay, its memory and its growth; prints Markdown tables.

usage: hypivisor.py BIN [SECTION ...] [--rounds N]

BIN is the folder of the release programs. Peers run in turn, again and again, and medians are reported. CPU is that of
the process alone; of the relay it stands beside that of the pi-socket which serves the same viewer without one.
"""
import contextlib
import json
import os
import signal
import statistics
import subprocess
import time

from bench import (
    HERE, Bench, Relay, arguments, awake_processors, cpu_seconds, exponent, free_port, own_kilobytes, ready_port,
    resident_kilobytes)

AGENT = "bench"


class Load:
    """A bench-registry and the registry it talks to."""

    def __init__(self, bench, server):
        self.server = server
        self.process = subprocess.Popen(
            [bench.program("bench-registry"), str(server.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            bufsize=1)

    def __call__(self, word, count, window=64):
        """Performs a command; what it printed, with `cpu` and `rss` of the registry."""
        pid = self.server.process.pid
        before = cpu_seconds(pid)
        self.process.stdin.write(f"{word} {count} {window}\n")
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: {self.server.name}: {word} {count} failed")
        result = json.loads(line)
        result["rate"] = count / result["seconds"]
        result["cpu"] = (cpu_seconds(pid) - before) / count * 1e6
        result["rss"] = resident_kilobytes(pid)
        return result

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Registries(Bench):
    def hypivisor(self, *options):
        process = self.start(
            [self.program("hypivisor"), "--port", "0", "--no-auth", "--no-spawn", "--log-level", "warning", *options],
            stdout=subprocess.PIPE)
        return Relay("hypivisor", process, ready_port(process))

    def node_registry(self):
        port = free_port()
        process = self.start(["node", f"{HERE}/peers/registry.js", str(port)], stdout=subprocess.PIPE)
        process.stdout.readline()
        return Relay("Node ws", process, port)

    @contextlib.contextmanager
    def load(self, start):
        server = start()
        try:
            load = Load(self, server)
            try:
                yield load
            finally:
                load.close()
        finally:
            server.stop()

    @property
    def peers(self):
        return {"hypivisor": self.hypivisor, "Node ws": self.node_registry}


def middle(results, key):
    return statistics.median(one[key] for one in results)


def print_table(title, heads, rows):
    print(f"\n### {title}\n\n| | {' | '.join(heads)} |\n{'|---' * (len(heads) + 1)}|")
    for name, *cells in rows:
        print("| " + " | ".join([name, *(cell if isinstance(cell, str) else f"{cell:,.2f}" for cell in cells)]) + " |")


def registrations(bench, rounds):
    """10,000 sockets are open; each registers, and 20,000 times again."""
    results = {}
    for _ in range(rounds):
        for name, start in bench.peers.items():
            with bench.load(start) as load:
                load("agents", 10_000)
                first, again = load("register", 10_000, 256), load("register", 20_000, 256)
                results.setdefault(name, []).append(
                    {"first": first["rate"], "first cpu": first["cpu"], "again": again["rate"], "again cpu": again["cpu"]})
    print_table(
        "Registrations on 10,000 open sockets, 256 under way",
        ["the first of each, a second", "CPU µs each", "again, a second", "CPU µs each"],
        [[name, *(middle(all, key) for key in ("first", "first cpu", "again", "again cpu"))] for name, all in results.items()])


def connections(bench, rounds):
    """5,000 connect and register, where there are none, 5,000 and 10,000 already."""
    results = {}
    for _ in range(rounds):
        for name, start in bench.peers.items():
            with bench.load(start) as load:
                results.setdefault(name, []).append({there: load("join", 5_000) for there in (0, 5_000, 10_000)})
    rows = []
    for name, all in results.items():
        cells = [statistics.median(one[there][key] for one in all) for there in (0, 5_000, 10_000) for key in ("rate", "cpu")]
        rows.append([name, *cells])
    print_table(
        "Connections with registration, 64 under way",
        [f"{there:,} are there: {what}" for there in (0, 5_000, 10_000) for what in ("a second", "CPU µs each")], rows)


def joins(bench, rounds):
    """The time from a registration's first byte to the last of 50 dashboards, with 10,000 nodes there."""
    results = {}
    for _ in range(rounds):
        for name, start in bench.peers.items():
            with bench.load(start) as load:
                load("join", 10_000)
                watch = load("watch", 50)
                meet = load("meet", 200)
                roster = load("list", 10)
                results.setdefault(name, []).append(
                    {"p50": meet["p50"] / 1e3, "p99": meet["p99"] / 1e3, "cpu": meet["cpu"],
                     "watch": watch["seconds"] / 50 * 1e3, "list": roster["p50"] / 1e3, "list cpu": roster["cpu"] / 1e3})
    print_table(
        "10,000 nodes, 50 dashboards",
        ["join at the last dashboard, p50 ms", "p99 ms", "CPU µs a join and its end", "a dashboard connects, ms",
         "list_nodes, ms", "CPU ms"],
        [[name, *(middle(all, key) for key in ("p50", "p99", "cpu", "watch", "list", "list cpu"))]
         for name, all in results.items()])


def agent_of(bench, hypivisor, source, *options):
    """A pi-socket that is registered: itself as a relay, and the way to it through the hypivisor."""
    url = f"ws://127.0.0.1:{hypivisor.port}/ws"
    process = bench.start(
        [bench.program("pi-socket"), "--hypivisor", url, "--no-auth", "--no-extension", "--port", "0", "--id", AGENT,
         "--replay", "256M", "--pi", " ".join(source), *options], stdout=subprocess.PIPE)
    port = ready_port(process)
    # Told by --print-events.
    while "node_joined" not in hypivisor.process.stdout.readline().decode():
        pass
    return Relay("direct", process, port, "/ws", "go")


def relayed(bench, hypivisor, source, through):
    """One run of a viewer: CPU of pi-socket and of hypivisor beside what the client saw."""
    agent = agent_of(bench, hypivisor, source)
    try:
        before = cpu_seconds(hypivisor.process.pid)
        direct_cpu = cpu_seconds(agent.process.pid)
        port, path = (hypivisor.port, f"/ws/agent/{AGENT}") if through else (agent.port, "/ws")
        client = subprocess.run(
            [bench.program("bench-client"), str(port), path, "go"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=120)
        if client.returncode != 0:
            raise SystemExit(f"bench: {client.stderr.strip()}")
        result = json.loads(client.stdout)
        result["relay cpu"] = (cpu_seconds(hypivisor.process.pid) - before) / result["frames"] * 1e6
        result["agent cpu"] = (cpu_seconds(agent.process.pid) - direct_cpu) / result["frames"] * 1e6
        return result
    finally:
        agent.stop()


def relay(bench, rounds):
    """A viewer at a pi-socket's own port, and one through a hypivisor."""
    flows = [("200 a second", 320, 600, 200), ("5,000 a second", 320, 15_000, 5_000), ("flat out", 320, 100_000, 0),
             ("10 KB, flat out", 10_000, 10_000, 0)]
    rows = []
    hypivisor = bench.hypivisor("--print-events")
    try:
        with awake_processors():
            for name, size, count, rate in flows:
                both = {True: [], False: []}
                for _ in range(rounds):
                    for through in both:
                        both[through].append(relayed(bench, hypivisor, bench.source(size, count, rate), through))
                direct, via = both[False], both[True]
                rows.append([
                    name, middle(direct, "p50") if rate else "-", middle(via, "p50") if rate else "-",
                    middle(via, "p50") - middle(direct, "p50") if rate else "-",
                    middle(direct, "agent cpu"), middle(via, "relay cpu"),
                    middle(via, "relay cpu") / middle(direct, "agent cpu"),
                    statistics.median(one["frames"] / one["streaming"] for one in via)
                    / statistics.median(one["frames"] / one["streaming"] for one in direct)])
    finally:
        hypivisor.stop()
    print_table(
        "The relay: a viewer at pi-socket itself, and through hypivisor (processors awake)",
        ["direct, p50 µs", "relayed, p50 µs", "added µs", "pi-socket's CPU µs a frame, direct", "hypivisor's CPU µs a frame",
         "ratio", "frames a second, ratio"], rows)


def memory(bench, rounds):
    """What waits costs: processes without agents, and what each agent adds."""
    rows = []
    for name, start in bench.peers.items():
        with bench.load(start) as load:
            pid = load.server.process.pid
            # What is measured is what time brings while nothing happens.
            time.sleep(1)
            base, own, cpu = resident_kilobytes(pid), own_kilobytes(pid), cpu_seconds(pid)
            time.sleep(5)
            cpu = (cpu_seconds(pid) - cpu) / 5
            load("join", 5_000)
            five = own_kilobytes(pid)
            load("join", 5_000)
            rows.append([name, base, cpu * 1e6, (five - own) / 5_000, (own_kilobytes(pid) - own) / 10_000])
    print_table("At rest", ["RSS KB", "CPU µs a second", "KB more for each of 5,000 agents", "of 10,000"], rows)


def growth(bench, rounds):
    """Cost against the number of nodes."""
    sizes = (10, 100, 1_000, 10_000)
    costs = {"all of them connect and register, ms": {}, "CPU ms of it": {}, "a registration among them, CPU µs": {},
             "list_nodes, ms": {}, "its CPU ms": {}, "a join at 50 dashboards, p50 ms": {}, "its CPU µs": {}}
    for _ in range(rounds):
        for size in sizes:
            with bench.load(bench.hypivisor) as load:
                join = load("join", size)
                register, roster = load("register", 5_000, 64), load("list", 20)
                load("watch", 50)
                meet = load("meet", 100)
                measured = [join["seconds"] * 1e3, join["cpu"] * size / 1e3, register["cpu"], roster["p50"] / 1e3,
                            roster["cpu"] / 1e3, meet["p50"] / 1e3, meet["cpu"]]
                for all, value in zip(costs.values(), measured):
                    all.setdefault(size, []).append(value)
    rows = []
    for name, all in costs.items():
        points = [(size, statistics.median(all[size])) for size in sizes]
        rows.append([name, *(value for _, value in points), exponent(points)])
    print_table("Growth with the number of nodes", [*(f"{size:,}" for size in sizes), "exponent"], rows)


SECTIONS = {f.__name__: f for f in (registrations, connections, joins, relay, memory, growth)}


def main():
    options = arguments(__doc__, SECTIONS, 2)
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    bench = Registries(options.binaries, False)
    try:
        for name in options.sections:
            SECTIONS[name](bench, options.rounds)
    finally:
        bench.close()


main()
