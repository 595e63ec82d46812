#!/usr/bin/env python3
"""How pi-socket's cost grows with viewers, with the length of a record and with that of a conversation. See growth.sh.

usage: growth.py BIN [SECTION ...] [--rounds N]

The exponent is the slope of a least-squares line through the logarithms of size and cost: 1 is linear. Where a fixed
cost is most of it at small sizes, the upper half of the sizes counts alone. Fails if an exponent is above 1.15.
"""
import json
import statistics
import time

from bench import Bench, arguments, exponent, own_kilobytes, resident_kilobytes, viewer

# What noise adds to a line; anything quadratic is far beyond.
LINEAR = 1.15


def upper_exponent(sizes, costs):
    """Fitted to the upper half, in which the fixed part is small."""
    return exponent(list(zip(sizes, costs))[-max(3, (len(sizes) + 1) // 2):])


def table(title, unit, sizes, columns):
    """Columns: (heading, costs, digits). Tells which of them grow faster than what they are given."""
    print(f"\n### {title}\n\n| {unit} | " + " | ".join(heading for heading, *_ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row, size in enumerate(sizes):
        cells = [f"{costs[row]:,.{digits}f}" for _, costs, digits in columns]
        print(f"| {size:,} | " + " | ".join(cells) + " |")
    exponents = [upper_exponent(sizes, costs) for _, costs, _ in columns]
    print("| exponent | " + " | ".join(f"{one:.2f}" for one in exponents) + " |", flush=True)
    return [f"{title}: {column[0]} grows with exponent {one:.2f}"
            for column, one in zip(columns, exponents) if one > LINEAR]


def medians(bench, rounds, sizes, measure):
    """The median of each value of each size, the sizes taking turns."""
    results = [[] for _ in sizes]
    for _ in range(rounds):
        for row, size in enumerate(sizes):
            results[row].append(measure(size))
    return {key: [statistics.median(one[key] for one in rows) for rows in results] for key in results[0][0]}


def viewers(bench, rounds):
    records = 500

    def measure(count):
        relay = bench.pi_socket(bench.source(320, records, 1000))
        try:
            idle = own_kilobytes(relay.process.pid)
            sockets = [viewer(relay) for _ in range(count)]
            at_rest = own_kilobytes(relay.process.pid)
            for one in sockets:
                one.close()
        finally:
            relay.stop()
        result = bench.once(bench.pi_socket, bench.source(320, records, 1000), "-c", count)
        return {"cpu": result["cpu"] * 1e3, "rest": max(at_rest - idle, 1), "busy": result["rss"]}

    sizes = [1, 3, 10, 30, 100, 300, 1000]
    found = medians(bench, rounds, sizes, measure)
    return table(f"{records} records of 320 bytes at 1,000 a second", "viewers", sizes, [
        ("CPU ms", found["cpu"], 1), ("KB more at rest", found["rest"], 0), ("KB in all, busy", found["busy"], 0)])


def records(bench, rounds):
    def measure(size):
        count = min(max(100_000_000 // size, 3), 100_000)
        # Of the longest ones the log holds all.
        result = bench.once(
            lambda source: bench.pi_socket(source, "--replay", "256M"), bench.source(size, count, 0))
        return {"cpu": result["cpu"] / count * 1e6, "rss": result["rss"]}

    # The longest record: 64 MiB.
    sizes = [100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 64 << 20]
    found = medians(bench, rounds, sizes, measure)
    return table("Records to one viewer, as fast as they come", "bytes", sizes, [
        ("CPU µs a record", found["cpu"], 1), ("KB in all", found["rss"], 0)])


def conversation(bench, rounds):
    hello = json.dumps({
        "type": "hello", "protocolVersion": 1, "clientId": "bench", "stream": "delta", "history": 500_000})

    def measure(size):
        relay = bench.pi_socket(
            [bench.program("bench-source"), "0", "0", "0", f"conversation:{size}"], "--replay", "16M",
            client=["-q", "pi-server.v1", "-H", hello, "-w"])
        try:
            idle = own_kilobytes(relay.process.pid)
            result = bench.measure(relay)
            peak = resident_kilobytes(relay.process.pid, "VmHWM")
            # The time in which freed memory goes back.
            time.sleep(0.2)
            after = resident_kilobytes(relay.process.pid)
            return {"cpu": result["cpu"] * 1e3, "late": result["p50"] / 1e3, "peak": peak, "more": max(after - idle, 1)}
        finally:
            relay.stop()

    sizes = [1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000, 300_000_000]
    found = medians(bench, rounds, sizes, measure)
    return table("A viewer that asks for the last 500 KB of a conversation", "bytes", sizes, [
        ("CPU ms", found["cpu"], 1), ("ms behind pi's last byte", found["late"], 2), ("KB at the peak", found["peak"], 0)])


SECTIONS = {"viewers": viewers, "records": records, "conversation": conversation}


def main():
    options = arguments(__doc__, SECTIONS, 3)
    bench = Bench(options.binaries, False)
    faults = []
    try:
        for name in options.sections:
            faults += SECTIONS[name](bench, options.rounds)
    finally:
        bench.close()
    for fault in faults:
        print(f"growth: {fault}", flush=True)
    raise SystemExit(1 if faults else 0)


main()
