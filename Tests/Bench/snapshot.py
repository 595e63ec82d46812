#!/usr/bin/env python3
"""How soon viewers have the end of a long conversation, and what it costs pi-socket. See snapshot.sh.

usage: snapshot.py BIN [--rounds N] [--megabytes N]

bench-source answers get_messages with a conversation, whose last message tells the time right before the last write;
each viewer asks for the last 500 KB, and what counts is the time until it has the last byte of its snapshot.
"""
import argparse
import json
import statistics
import time

from bench import Bench, own_kilobytes, resident_kilobytes

PROMISED_MILLISECONDS = 50
HELLO = json.dumps({
    "type": "hello", "protocolVersion": 1, "clientId": "bench", "stream": "delta", "history": 500_000})


def settled(pid):
    """What the process holds of its own once it does nothing any more: two looks in a row at the same."""
    deadline = time.monotonic() + 5
    before, now = None, own_kilobytes(pid)
    while before != now and time.monotonic() < deadline:
        # The time between the looks; nothing tells that a process has become quiet.
        time.sleep(0.2)
        before, now = now, own_kilobytes(pid)
    return now


def once(bench, conversation, viewers):
    relay = bench.pi_socket(
        [bench.program("bench-source"), "0", "0", "0", f"conversation:{conversation}"], "--replay", "16M",
        client=["-q", "pi-server.v1", "-H", HELLO, "-w", "-c", str(viewers)])
    try:
        pid = relay.process.pid
        base = settled(pid)
        result = bench.measure(relay)
        return {
            "worst": result["max"] / 1000, "median": result["p50"] / 1000, "seconds": result["seconds"],
            "cpu": result["cpu"], "base": base, "after": settled(pid), "peak": resident_kilobytes(pid, "VmHWM"),
            "bytes": result["bytes"] / viewers}
    finally:
        relay.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    bench = Bench(options.binaries, False)
    is_kept = True
    try:
        print(f"\n### A conversation of {options.megabytes} MB, of which each viewer wants the last 500 KB\n")
        print("| viewers at once | ms from pi's last byte to the snapshot's last, median | the last viewer's "
              "| s since they asked | CPU s | KB of its own at rest before | after | KB in all at the peak |")
        print("|---" * 8 + "|")
        cases = {viewers: [] for viewers in (1, 10)}
        for _ in range(options.rounds):
            for viewers, results in cases.items():
                results.append(once(bench, options.megabytes * 1_000_000, viewers))
        for viewers, results in cases.items():
            middle = {key: statistics.median(one[key] for one in results) for key in results[0]}
            print(f"| {viewers} | {middle['median']:.1f} | {middle['worst']:.1f} | {middle['seconds']:.2f} "
                  f"| {middle['cpu']:.2f} | {middle['base']:,.0f} | {middle['after']:,.0f} | {middle['peak']:,.0f} |")
            is_kept = is_kept and middle["worst"] < PROMISED_MILLISECONDS and middle["bytes"] > 400_000
        print(f"\nPromised: {PROMISED_MILLISECONDS} ms: {'kept' if is_kept else 'NOT KEPT'}", flush=True)
    finally:
        bench.close()
    raise SystemExit(0 if is_kept else 1)


main()
