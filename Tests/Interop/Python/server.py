"""Python's websockets as a server: TOKEN [CERTIFICATE KEY].

Prints its port, and of each connection what compression was agreed ("-": none). `/echo` sends back every message,
`/close` closes with 3005, `/ws` is a registry with one agent.
"""

import asyncio
import http
import json
import ssl
import sys

from websockets.asyncio.server import serve

token = sys.argv[1]
node = {"id": "from-python", "machine": "there", "cwd": "/", "port": 1, "status": "active"}


def admit(connection, request):
    if request.headers.get("Authorization") != f"Bearer {token}":
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "a token is needed\n")


async def registry(socket):
    await socket.send(json.dumps({"event": "init", "nodes": [node], "protocol_version": "1"}))
    async for text in socket:
        request = json.loads(text)
        result = [node] if request["method"] == "list_nodes" else {"status": "healthy"}
        await socket.send(json.dumps({"id": request["id"], "result": result}))


async def handle(socket):
    print(socket.response.headers.get("Sec-WebSocket-Extensions", "-"), flush=True)
    path = socket.request.path.split("?")[0]
    if path == "/close":
        await socket.close(3005, "as asked")
    elif path == "/ws":
        await registry(socket)
    else:
        async for message in socket:
            # In fragments where it is long enough for some.
            size = max(1, len(message) // 3)
            await socket.send(message[at:at + size] for at in range(0, max(1, len(message)), size))


async def main():
    rules = None
    if len(sys.argv) > 2:
        rules = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        rules.load_cert_chain(sys.argv[2], sys.argv[3])
    async with serve(handle, "127.0.0.1", 0, ssl=rules, process_request=admit, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
