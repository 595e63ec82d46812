"""Other people's TLS against a hypivisor: PORT AUTHORITY TOKEN. Prints a line a check and ends with 1 if one fails."""

import base64
import os
import socket
import ssl
import struct
import subprocess
import sys

port, authority, token = int(sys.argv[1]), sys.argv[2], sys.argv[3]
failed = False


def check(name, condition, detail=""):
    global failed
    print(("ok " if condition else "NOT OK ") + name + (f": {detail}" if not condition else ""))
    failed = failed or not condition


def run(arguments, text=b""):
    done = subprocess.run(arguments, input=text, capture_output=True, timeout=20)
    return done.returncode, done.stdout + done.stderr


def connect(**options):
    context = ssl.create_default_context(cafile=authority)
    for name, value in options.items():
        setattr(context, name, value)
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    return context.wrap_socket(raw, server_hostname="localhost")


def upgrade(stream, send=None):
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET /ws HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    (send or stream.sendall)(request)
    head = b""
    while b"\r\n\r\n" not in head:
        piece = stream.recv(1)
        if not piece:
            break
        head += piece
    return head


def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        piece = stream.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def frame(stream):
    first, length = read_exactly(stream, 2)
    if length == 126:
        length = struct.unpack(">H", read_exactly(stream, 2))[0]
    elif length == 127:
        length = struct.unpack(">Q", read_exactly(stream, 8))[0]
    return first & 15, read_exactly(stream, length)


def masked(opcode, payload):
    mask = os.urandom(4)
    length = struct.pack(">B", 128 | len(payload)) if len(payload) < 126 else struct.pack(">BH", 254, len(payload))
    return bytes([128 | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


code, text = run(["curl", "-sS", "--cacert", authority, f"https://localhost:{port}/healthz"])
check("curl with the authority", code == 0 and text.strip() == b"ok", text)
code, text = run(["curl", "-sS", f"https://localhost:{port}/healthz"])
check("curl without it refuses", code == 60, text)
code, text = run(["curl", "-sS", "-i", f"http://localhost:{port}/healthz"])
check("plain HTTP is told what to do", b"400 Bad Request" in text and b"wss://" in text, text)

for version in ["-tls1", "-tls1_1"]:
    arguments = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-cipher", "DEFAULT@SECLEVEL=0"]
    code, text = run(arguments)
    check(f"s_client {version} is refused", code != 0 and b"alert protocol version" in text, text[-300:])
for version in ["-tls1_2", "-tls1_3"]:
    arguments = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-CAfile", authority,
                 "-verify_return_error", "-verify_hostname", "localhost"]
    code, text = run(arguments)
    check(f"s_client {version} is welcome", code == 0 and b"Verify return code: 0" in text, text[-300:])

arguments = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-CAfile", authority]
code, text = run(arguments, b"R\n")
check("renegotiation is refused", b"no renegotiation" in text.lower() or b"no_renegotiation" in text.lower(), text[-300:])

stream = connect()
check("Python, TLS 1.3", b" 101 " in upgrade(stream).split(b"\r\n")[0])
check("the first event", frame(stream)[1].startswith(b'{"event":"init"'))
stream.sendall(masked(1, b'{"id":1,"method":"ping"}'))
check("an answer", b"healthy" in frame(stream)[1])
stream.sendall(masked(8, struct.pack(">H", 1000)))
check("the close frame", frame(stream)[0] == 8)
check("a goodbye of TLS, no truncation", stream.recv(10) == b"")

context = ssl.create_default_context(cafile=authority)
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
raw = socket.create_connection(("127.0.0.1", port), timeout=20)
raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def push():
    for byte in outgoing.read():
        raw.send(bytes([byte]))


def pull():
    data = raw.recv(1)
    incoming.write(data) if data else incoming.write_eof()


def drip(operation):
    while True:
        try:
            result = operation()
            push()
            return result
        except ssl.SSLWantReadError:
            push()
            pull()


drip(session.do_handshake)


class Dripping:
    def sendall(self, data):
        drip(lambda: session.write(data))

    def recv(self, count):
        return drip(lambda: session.read(count))


slow = Dripping()
check("one byte at a time, both ways", b" 101 " in upgrade(slow).split(b"\r\n")[0])
check("frames one byte at a time", frame(slow)[1].startswith(b'{"event":"init"'))
raw.close()

stream = connect(maximum_version=ssl.TLSVersion.TLSv1_2)
check("Python, TLS 1.2", b" 101 " in upgrade(stream).split(b"\r\n")[0])
# The connection is cut without a goodbye: the server must live on.
os.close(stream.detach())
stream = connect()
check("after a truncation", b" 101 " in upgrade(stream).split(b"\r\n")[0])
sys.exit(1 if failed else 0)
