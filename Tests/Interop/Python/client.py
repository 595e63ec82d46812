"""Python's websockets as a client: REGISTRY AGENT ID TOKEN [AUTHORITY].

REGISTRY and AGENT are the URLs of a hypivisor and of an agent of it whose id is ID; AUTHORITY vouches for both over wss.
Prints a line a check and ends with 1 if one fails.
"""

import asyncio
import json
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

registry, agent, agent_id, token = sys.argv[1:5]
authority = sys.argv[5] if len(sys.argv) > 5 else None
relay = registry.removesuffix("/ws") + "/ws/agent/" + agent_id
failed = False


def check(name, condition, detail=""):
    global failed
    print(("ok " if condition else "NOT OK ") + name + (f": {detail}" if not condition else ""), flush=True)
    failed = failed or not condition


def dial(url, secret=token, **options):
    headers = [("Authorization", f"Bearer {secret}")] if secret else []
    trust = ssl.create_default_context(cafile=authority) if url.startswith("wss:") else None
    return connect(url, additional_headers=headers, ssl=options.pop("ssl", trust), proxy=None, max_size=None, **options)


async def until(socket, matches):
    while True:
        frame = json.loads(await asyncio.wait_for(socket.recv(), 30))
        if matches(frame):
            return frame


async def refused(name, url, status, **options):
    try:
        async with dial(url, **options):
            check(name, False, "it was let in")
    except InvalidStatus as error:
        check(name, error.response.status_code == status, error.response)


async def handshakes():
    for name, url in [("hypivisor", registry), ("pi-socket", agent), ("relay", relay)]:
        await refused(f"{name}: a wrong token", url, 401, secret="guess")
        await refused(f"{name}: no token", url, 401, secret=None)
        await refused(f"{name}: a web page", url, 403, origin="https://example.org")
    await refused("hypivisor: another path", registry + "x", 404)


async def registries():
    for compression in [None, "deflate"]:
        async with dial(registry, compression=compression) as socket:
            first = json.loads(await socket.recv())
            check("the first event", first["event"] == "init" and first["nodes"][0]["id"] == agent_id, first)
            await socket.send(json.dumps({"id": "a", "method": "ping"}))
            answer = await until(socket, lambda frame: frame.get("id") == "a")
            check("an answer", answer["result"]["status"] == "healthy", answer)
            await socket.send(part for part in ['{"id":', '"ö', '", "method":', '"list_nodes"}'])
            answer = await until(socket, lambda frame: frame.get("id") == "ö")
            check("a request in fragments", answer["result"][0]["id"] == agent_id, answer)
            for number in range(50):
                await socket.send(json.dumps({"id": number, "method": "ping"}))
            numbers = [(await until(socket, lambda frame: "id" in frame))["id"] for _ in range(50)]
            check("fifty requests at once", sorted(numbers) == list(range(50)), numbers)
            check("a pong", await asyncio.wait_for(await socket.ping(b"x" * 125), 10) >= 0)
            await socket.send("no JSON")
            answer = await until(socket, lambda frame: "error" in frame)
            check("what is no JSON", answer["code"] == "parse_error", answer)
            await socket.close(3001, "done")
            check("the close", (socket.close_code, socket.close_reason) == (3001, "done"), socket.close_code)


async def conversation(name, url):
    async with dial(url, subprotocols=["pi-server.v1"]) as socket:
        check(f"{name}: the subprotocol", socket.subprotocol == "pi-server.v1", socket.subprotocol)
        await socket.send(json.dumps({"type": "hello", "protocolVersion": 1, "clientId": "python"}))
        welcome = json.loads(await socket.recv())
        check(f"{name}: a welcome", welcome["type"] == "welcome", welcome)
        prompt = {"type": "prompt", "message": f"Repeat after {name}: größer 🐦"}
        await socket.send(json.dumps({"type": "command", "clientMessageId": name, "payload": prompt}))
        next_number, text = welcome["currentSeq"] + 1, ""
        while True:
            frame = json.loads(await asyncio.wait_for(socket.recv(), 30))
            if frame["type"] == "response":
                check(f"{name}: the prompt is taken", frame["payload"]["success"], frame)
            if "seq" not in frame:
                continue
            if frame["seq"] != next_number:
                check(f"{name}: numbers without a gap", False, frame["seq"])
            next_number += 1
            record = frame.get("payload", {})
            delta = record.get("assistantMessageEvent", {})
            text += delta.get("delta", "") if delta.get("type") == "text_delta" else ""
            if record.get("type") == "agent_end":
                break
        check(f"{name}: the answer", "größer 🐦" in text, text)
    async with dial(url) as socket:
        first = json.loads(await socket.recv())
        check(f"{name}: the viewport dialect", first["type"] == "init_state", first)


async def fault(name, code, message, **options):
    """Sends what is refused and hears why; the connection is over then, and nothing is left to be closed."""
    socket = await dial(agent, subprotocols=["pi-server.v1"])
    try:
        await socket.send(message, **options)
        while True:
            await asyncio.wait_for(socket.recv(), 30)
    except ConnectionClosed as error:
        check(f"{name} is {code}", error.rcvd is not None and error.rcvd.code == code, error)


async def limits():
    await fault("too large a message", 1009, "x" * ((16 << 20) + 1))
    await fault("what is said to be text and is no UTF-8", 1007, b"\xff\xfe", text=True)


async def strangers():
    wrong = ssl.create_default_context()
    try:
        async with dial(registry, ssl=wrong):
            check("another authority", False, "it was believed")
    except ssl.SSLCertVerificationError as error:
        check("another authority", "unable to get local issuer" in str(error), error)
    old = ssl.create_default_context(cafile=authority)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    try:
        async with dial(registry, ssl=old):
            check("TLS 1.1", False, "it was spoken")
    except ssl.SSLError as error:
        check("TLS 1.1", "protocol" in str(error).lower() or "version" in str(error).lower(), error)


async def main():
    await handshakes()
    await registries()
    await conversation("directly", agent)
    await conversation("relayed", relay)
    await limits()
    if authority:
        await strangers()


asyncio.run(asyncio.wait_for(main(), 150))
sys.exit(1 if failed else 0)
