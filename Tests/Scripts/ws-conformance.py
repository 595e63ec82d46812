"""RFC 6455 by hand against ws-echo: ws-conformance.py WS_ECHO | ws://HOST:PORT/PATH...

With a program, both of its modes are tested; with URLs, what echoes behind each of them. Raw sockets and no code of ours.
Prints a line for each case that fails, and how many there were; ends with 1 if any did.
"""

import base64
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading

# What a sanitizer watches is slower and keeps what was freed.
SANITIZED = "WS_SANITIZED" in os.environ
PATIENCE = 180 if SANITIZED else 30
MASK = b"\x12\xfe\x00\x9a"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MIB = 1 << 20
failures, count = [], 0


class Wrong(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Wrong(what)


def masked(payload, key):
    whole = int.from_bytes(key * (len(payload) // 4) + key[: len(payload) % 4], "big")
    return (int.from_bytes(payload, "big") ^ whole).to_bytes(len(payload), "big")


class Peer:
    """The other end of one connection of ws-echo, which may break every rule."""

    def __init__(self, connection, is_client, process=None):
        connection.settimeout(PATIENCE)
        self.connection, self.is_client, self.process, self.pending = connection, is_client, process, b""

    def frame(self, first, payload=b"", is_masked=None, length=None, form=None):
        """The bytes of a frame; `first` without FIN is a fragment, and the length may be a lie."""
        is_masked = self.is_client if is_masked is None else is_masked
        length = len(payload) if length is None else length
        form = form or (7 if length < 126 else 16 if length < 65536 else 64)
        bit = 0x80 if is_masked else 0
        head = {
            7: lambda: bytes([first, bit | length]),
            16: lambda: bytes([first, bit | 126]) + struct.pack(">H", length),
            64: lambda: bytes([first, bit | 127]) + struct.pack(">Q", length),
        }[form]()
        return head + (MASK + masked(payload, MASK) if is_masked else payload)

    def send(self, first, payload=b"", **rest):
        self.raw(self.frame(first, payload, **rest))

    def raw(self, data):
        self.connection.sendall(data)

    def exactly(self, size):
        parts = [self.pending[:size]]
        self.pending = self.pending[size:]
        missing = size - len(parts[0])
        while missing > 0:
            piece = self.connection.recv(min(missing, 1 << 20))
            if not piece:
                raise EOFError
            parts.append(piece)
            missing -= len(piece)
        return b"".join(parts)

    def receive(self):
        """The next frame, which must be as RFC 6455 wants it: (first byte, payload)."""
        first, second = self.exactly(2)
        expect(first & 0x70 == 0, f"reserved bits: {first:#x}")
        expect((second & 0x80 != 0) != self.is_client, "masked in the wrong direction")
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self.exactly(2))[0]
            expect(length > 125, "length not minimal")
        elif length == 127:
            length = struct.unpack(">Q", self.exactly(8))[0]
            expect(length > 65535, "length not minimal")
        key = self.exactly(4) if second & 0x80 else None
        payload = self.exactly(length)
        return first, masked(payload, key) if key else payload

    def echoes(self, opcode, payload):
        """The next message is this one, in however many frames."""
        parts, first = [], None
        while True:
            head, part = self.receive()
            expect(head & 0x0F == (opcode if first is None else 0), f"opcode {head:#x} for {opcode}")
            first, parts = head, parts + [part]
            if head & 0x80:
                break
        expect(b"".join(parts) == payload, f"other bytes: {b''.join(parts)[:40]!r} for {payload[:40]!r}")

    def control(self, opcode, payload):
        head, got = self.receive()
        expect((head, got) == (0x80 | opcode, payload), f"{head:#x} {got[:40]!r} for {opcode} {payload[:40]!r}")

    def closes(self, code):
        """The next frame is a close with this code (None: without one), and then there is nothing."""
        head, payload = self.receive()
        got = struct.unpack(">H", payload[:2])[0] if payload else None
        expect(head == 0x88, f"{head:#x} instead of a close frame")
        expect(got == code, f"closed with {got}, not {code}: {payload[2:]!r}")
        payload[2:].decode()

    def ends(self):
        """ws-echo gives up the connection by itself, though we do nothing for it."""
        while True:
            try:
                if not self.connection.recv(1 << 16):
                    break
            except ConnectionResetError:
                break
        if self.process:
            self.process.wait(PATIENCE)

    def leave(self):
        self.connection.close()
        if self.process:
            self.process.wait(PATIENCE)


class Server:
    """Something that echoes behind a URL."""

    def __init__(self, url):
        authority, self.path = url.removeprefix("ws://").split("/", 1)
        self.port = int(authority.rsplit(":", 1)[1])

    def request(self, *changes):
        lines = [
            f"GET /{self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        for old, new in changes:
            lines = [new if line.startswith(old) else line for line in lines]
        return ("\r\n".join(line for line in lines if line) + "\r\n\r\n").encode()

    def answer(self, *changes):
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(self.request(*changes))
        return connection, head_of(connection)

    def open(self):
        connection, head = self.answer()
        expect(head.startswith("HTTP/1.1 101 "), head)
        # The answer of RFC 6455 section 1.3 to its own sample key.
        expect("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head)
        return Peer(connection, is_client=True)


class Client:
    """ws-echo as a client: a new process for each connection."""

    def __init__(self, echo):
        self.echo = echo
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/"

    def answer(self, change=lambda lines: lines):
        process = subprocess.Popen(
            [self.echo, "client", self.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        connection, _ = self.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = head_of(connection)
        key = next(line.split()[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key:"))
        expect(len(base64.b64decode(key)) == 16, f"key {key}")
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Accept: " + base64.b64encode(digest).decode(),
        ]
        connection.sendall(("\r\n".join(change(lines)) + "\r\n\r\n").encode())
        return connection, process

    def open(self):
        connection, process = self.answer()
        return Peer(connection, is_client=False, process=process)


def head_of(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    return head.decode("latin-1")


def case(name, side, body):
    global count
    count += 1
    peer = None
    try:
        peer = side.open()
        body(peer)
    except Exception as error:
        failures.append(name)
        print(f"NOT OK {type(side).__name__.lower()}: {name}: {type(error).__name__} {error}")
    finally:
        if peer:
            peer.leave()


def refused(code, *frames, ends=False):
    """Sends frames at once; nothing but a close with this code may come back, and the end though we do not answer."""

    def body(peer):
        peer.raw(b"".join(peer.frame(*frame[:2], **(frame[2] if len(frame) > 2 else {})) for frame in frames))
        peer.closes(code)
        if ends:
            peer.ends()

    return body


def code(number, reason=b""):
    return struct.pack(">H", number) + reason


# MARK: Cases for either side


def lengths(peer):
    for length in (0, 1, 125, 126, 127, 65535, 65536, 70001):
        payload = bytes(33 + index % 90 for index in range(length))
        for opcode in (TEXT, BINARY):
            peer.send(0x80 | opcode, payload)
            peer.echoes(opcode, payload)


def many(peer):
    sender = threading.Thread(
        target=peer.raw, args=(b"".join(peer.frame(0x82, str(number).encode()) for number in range(20000)),))
    sender.start()
    for number in range(20000):
        peer.echoes(BINARY, str(number).encode())
    sender.join()


def fragments(peer):
    for first, payload in ((0x01, b"Hel"), (0x00, b""), (0x89, b"now"), (0x8A, b"unasked"), (0x00, b"l"), (0x80, b"o")):
        peer.send(first, payload)
    peer.control(PONG, b"now")
    peer.echoes(TEXT, b"Hello")


def bytewise(peer):
    for byte in peer.frame(0x01, "κό".encode()) + peer.frame(0x89, b"p") + peer.frame(0x80, "σμε".encode()):
        peer.raw(bytes([byte]))
    peer.control(PONG, b"p")
    peer.echoes(TEXT, "κόσμε".encode())


def characters(peer):
    text = "κόσμε\U0010ffff\ufffe\0𝄞".encode()
    for index, byte in enumerate(text):
        peer.send((0x80 if index == len(text) - 1 else 0) | (TEXT if index == 0 else 0), bytes([byte]))
    peer.echoes(TEXT, text)


def fails_fast(peer):
    peer.send(0x01, "κό".encode() + b"\xf4\x90")
    # The message has not ended, and is no text any more.
    peer.closes(1007)


def pings(peer):
    for payload in (b"", b"x", bytes(range(125))):
        peer.send(0x89, payload)
        peer.control(PONG, payload)


def ping_flood(peer):
    sender = threading.Thread(
        target=peer.raw,
        args=(b"".join(peer.frame(0x89, struct.pack(">I", number)) for number in range(50000))
              + peer.frame(0x81, b"still there"),))
    sender.start()
    last = -1
    while True:
        head, payload = peer.receive()
        if head == 0x81:
            break
        # Not every ping needs an answer (section 5.5.3), but none comes twice or late.
        expect(head == 0x8A and struct.unpack(">I", payload)[0] > last, f"{head:#x} after {last}")
        last = struct.unpack(">I", payload)[0]
    expect(payload == b"still there" and last == 49999, f"{payload!r} after {last}")
    sender.join()


def close_echo(payload):
    def body(peer):
        peer.send(0x88, payload)
        peer.closes(struct.unpack(">H", payload[:2])[0] if payload else None)
        # The server ends the connection.
        if peer.is_client:
            peer.ends()

    return body


def deaf_after_close(peer):
    peer.raw(peer.frame(0x88, code(1000)) + peer.frame(0x81, b"late") + peer.frame(0x89, b"late"))
    peer.closes(1000)
    try:
        expect(not peer.connection.recv(1), "something behind the close frame")
    except ConnectionResetError:
        pass


def both(side):
    case("every length form", side, lengths)
    case("20,000 messages at once", side, many)
    case("fragments, and control frames between them", side, fragments)
    case("one byte at a time", side, bytewise)
    case("characters cut by fragments", side, characters)
    case("text that is none fails before its message ends", side, fails_fast)
    case("pings are answered", side, pings)
    case("a flood of pings", side, ping_flood)
    wrong = {"is_masked": isinstance(side, Client)}
    case("masked in the wrong direction", side, refused(1002, (0x81, b"x", wrong), ends=True))
    for bits in (0x40, 0x20, 0x10):
        case(f"reserved bit {bits:#x}", side, refused(1002, (0x81 | bits, b"x")))
        case(f"reserved bit {bits:#x} of a ping", side, refused(1002, (0x89 | bits, b"x")))
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        case(f"reserved opcode {opcode}", side, refused(1002, (0x80 | opcode, b"")))
    for opcode in (CLOSE, PING, PONG):
        case(f"control frame {opcode} of 126 bytes", side, refused(1002, (0x80 | opcode, b"x" * 126)))
        case(f"control frame {opcode} in fragments", side, refused(1002, (opcode, code(1000))))
    for length, form in ((5, 16), (125, 64), (65535, 64), (1 << 63, 64)):
        case(f"length {length} in {form} bits", side, refused(1002, (0x82, b"", {"length": length, "form": form})))
    case("continuation of nothing", side, refused(1002, (0x80, b"x")))
    case("unfinished continuation of nothing", side, refused(1002, (0x00, b"x")))
    case("message inside a message", side, refused(1002, (0x01, b"x"), (0x81, b"y")))
    for text in (b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
        case(f"text {text!r}", side, refused(1007, (0x81, b"ok " + text)))
        case(f"text {text!r} in fragments", side, refused(1007, (0x01, b"ok"), (0x00, text[:1]), (0x80, text[1:])))
    case("a close without a code", side, close_echo(b""))
    for number in (1000, 1001, 1002, 1003, 1007, 1011, 3000, 3999, 4000, 4999):
        case(f"close {number}", side, close_echo(code(number, "bye é".encode())))
    for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535):
        case(f"close {number}", side, refused(1002, (0x88, code(number))))
    case("close of one byte", side, refused(1002, (0x88, b"\x03")))
    case("close whose reason is no text", side, refused(1007, (0x88, code(1000, b"\xff"))))
    case("nothing behind a close is heard", side, deaf_after_close)
    case("a frame of 16 MiB and a byte", side, refused(1009, (0x82, b"", {"length": 16 * MIB + 1})))


# MARK: Cases for one side


def memory(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) << 10


def server_only(server, process):
    def whole(peer):
        payload = os.urandom(16 * MIB)
        sender = threading.Thread(target=peer.send, args=(0x82, payload))
        sender.start()
        peer.echoes(BINARY, payload)
        sender.join()

    def deaf(peer):
        """A peer that pings and does not read gets no more than a bounded part of our memory."""
        before = memory(process)
        peer.connection.settimeout(1)
        pings, sent = peer.frame(0x89, b"x" * 125) * 500, 0
        try:
            while sent < 24 * MIB:
                sent += peer.connection.send(pings)
        except (socket.timeout, ConnectionResetError, BrokenPipeError):
            pass
        growth = memory(process) - before
        expect(growth < 12 * MIB or SANITIZED, f"grew by {growth} bytes for {sent} bytes of pings")

    case("a message of 16 MiB", server, whole)
    case("a message of more, in fragments", server, refused(1009, (0x02, b"x" * 9 * MIB), (0x80, b"x" * 8 * MIB)))
    case("a flood of pings by a peer that does not read", server, deaf)
    requests(server)


def requests(server):
    global count
    origin = f"Host: 127.0.0.1:{server.port}\r\nOrigin: http://evil.example"
    for name, status, change in (
        ("no WebSocket", "426", ("Upgrade", "")), ("another upgrade", "426", ("Upgrade", "Upgrade: h2c")),
        ("an older version", "426", ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8")),
        ("no key", "400", ("Sec-WebSocket-Key", "")), ("POST", "400", ("GET", "POST / HTTP/1.1")),
        ("a short key", "400", ("Sec-WebSocket-Key", "Sec-WebSocket-Key: eA==")),
        ("no host", "400", ("Host", "")), ("no HTTP", "400", ("GET", "HELLO")), ("a foreign page", "403", ("Host", origin)),
    ):
        count += 1
        connection, head = server.answer(change)
        if not head.startswith(f"HTTP/1.1 {status} "):
            failures.append(name)
            print(f"NOT OK server: {name}: {head!r} instead of {status}")
        connection.close()


def client_only(client):
    def large(peer):
        piece = bytes(8 * MIB)
        sender = threading.Thread(
            target=lambda: [peer.send(first, piece) for first in (0x02, 0x00, 0x80)])
        sender.start()
        peer.echoes(BINARY, piece * 3)
        sender.join()

    case("a message of 24 MiB in fragments", client, large)
    for name, change in (
        ("another accept", lambda lines: lines[:3] + ["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
        ("no accept", lambda lines: lines[:3]), ("no upgrade", lambda lines: lines[:1] + lines[2:]),
        ("no connection", lambda lines: lines[:2] + lines[3:]), ("200", lambda lines: ["HTTP/1.1 200 OK"] + lines[1:]),
        ("an extension unasked", lambda lines: lines + ["Sec-WebSocket-Extensions: x-unasked"]),
        ("a subprotocol unasked", lambda lines: lines + ["Sec-WebSocket-Protocol: unasked"]),
    ):
        agreement(client, name, change)


def agreement(client, name, change):
    """A handshake that a client must not believe: it sends no frame, and ends with one line."""
    global count
    count += 1
    connection, process = client.answer(change)
    connection.settimeout(PATIENCE)
    rest = b""
    try:
        rest = connection.recv(1)
    except ConnectionResetError:
        pass
    connection.close()
    _, words = process.communicate(timeout=PATIENCE)
    if rest or process.returncode == 0 or words.count("\n") != 1:
        failures.append(name)
        print(f"NOT OK client: {name}: status {process.returncode}, {rest!r}, {words!r}")


def program(echo):
    process = subprocess.Popen([echo, "server"], stdout=subprocess.PIPE, text=True)
    try:
        server = Server(json.loads(process.stdout.readline())["url"])
        both(server)
        server_only(server, process)
    finally:
        process.terminate()
        process.wait(PATIENCE)
    client = Client(echo)
    both(client)
    client_only(client)


for word in sys.argv[1:]:
    if word.startswith("ws://"):
        both(Server(word))
    else:
        program(word)
print(f"{count} cases, {len(failures)} not as RFC 6455 says")
sys.exit(1 if failures or not count else 0)
