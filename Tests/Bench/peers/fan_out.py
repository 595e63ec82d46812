"""What one would write oneself: a program's lines to every WebSocket, each WebSocket's messages to the program.

python3 fan_out.py PORT COMMAND [ARGUMENT ...]
"""
import asyncio
import sys

from websockets.asyncio.server import broadcast, serve


async def main():
    child = await asyncio.create_subprocess_exec(
        *sys.argv[2:], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26)
    viewers = set()

    async def attend(viewer):
        viewers.add(viewer)
        try:
            async for text in viewer:
                child.stdin.write(text.encode() + b"\n")
        finally:
            viewers.discard(viewer)

    async with serve(attend, "127.0.0.1", int(sys.argv[1]), compression=None):
        print("ready", flush=True)
        while line := await child.stdout.readline():
            broadcast(viewers, line[:-1].decode())


asyncio.run(main())
