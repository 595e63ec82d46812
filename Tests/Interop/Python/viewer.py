"""Python's websockets as a viewer that takes compressed messages: URL TOKEN OFFER FILE [SUBPROTOCOL].

OFFER is a JSON object of the parameters of RFC 7692, or null for no offer. Sends each line of its standard input, a long
one in three frames, and closes at their end. Prints what was agreed ("-": nothing), the type of each message that begins
or ends something, and at last how many messages came compressed. All messages go to FILE, one a line.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate

TOLD = ("welcome", "init_state", "agent_settled")
url, token, offer, path, *subprotocols = sys.argv[1:]
compressed = 0
decode = PerMessageDeflate.decode


def counted(extension, frame, **options):
    global compressed
    compressed += frame.rsv1
    return decode(extension, frame, **options)


PerMessageDeflate.decode = counted


async def speak(socket):
    # No thread, which would wait for its line when the connection has failed.
    lines = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        text = line.decode().rstrip("\n")
        third = len(text) // 3 + 1
        await socket.send(text if len(text) < 1000 else (text[at:at + third] for at in range(0, len(text), third)))
    await socket.close()


async def main():
    offered = json.loads(offer)
    extensions = None if offered is None else [ClientPerMessageDeflateFactory(**offered)]
    async with connect(
            url, additional_headers={"Authorization": f"Bearer {token}"}, compression=None, proxy=None, max_size=None,
            extensions=extensions, subprotocols=subprotocols or None) as socket:
        print(socket.response.headers.get("Sec-WebSocket-Extensions", "-"), flush=True)
        speaking = asyncio.create_task(speak(socket))
        with open(path, "w", encoding="utf-8", newline="") as file:
            async for message in socket:
                file.write(message + "\n")
                frame = json.loads(message)
                kind = (frame.get("payload") or frame).get("type")
                if kind in TOLD:
                    print(kind, flush=True)
        await speaking
    print(compressed)


asyncio.run(main())
