"""Python's ssl with an echoing peer: client PORT AUTHORITY COUNT, or server CERTIFICATE KEY, which prints its port.

The client sends COUNT bytes and reads nothing until it can send no more; then it reads all that comes back, slowly at
first. It prints `whole` if that is what it sent, followed by a goodbye of TLS. The server echoes.
"""

import hashlib
import select
import socket
import ssl
import sys
import threading

PIECE = bytes((i * 31 >> 3) & 255 for i in range(65536))


def client(port, authority, count):
    rules = ssl.create_default_context(cafile=authority)
    raw = socket.create_connection(("127.0.0.1", port), timeout=120)
    # Small, so that the peer soon feels that nobody reads.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    stream = rules.wrap_socket(raw, server_hostname="localhost")
    stream.setblocking(False)
    sent, received, is_reading = 0, 0, False
    given, got = hashlib.sha256(), hashlib.sha256()
    while received < count:
        reads = [stream] if is_reading else []
        writes = [stream] if sent < count else []
        ready = select.select(reads, writes, [], 2 if is_reading else 0.2)
        if not is_reading and not ready[1]:
            # The peer has taken all that it can hold.
            is_reading = True
            print(f"full after {sent}", flush=True)
            continue
        if sent < count:
            piece = PIECE[sent % 65536:][: count - sent]
            try:
                done = stream.send(piece)
                given.update(piece[:done])
                sent += done
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                pass
        while is_reading:
            try:
                # A little at a time to begin with.
                piece = stream.recv(100 if received < 100_000 else 65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not piece:
                sys.exit(f"the end came after {received}")
            got.update(piece)
            received += len(piece)
    stream.setblocking(True)
    # Python waits for the peer's goodbye, and says so if there is none.
    stream.unwrap().close()
    print("whole" if given.digest() == got.digest() else "damaged", flush=True)


def echo(raw, rules):
    try:
        stream = rules.wrap_socket(raw, server_side=True)
        while piece := stream.recv(65536):
            stream.sendall(piece)
        stream.unwrap().close()
        print("goodbye", flush=True)
    except OSError as error:
        print(f"failed: {error}", flush=True)


def server(certificate, key):
    rules = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    rules.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=echo, args=(raw, rules), daemon=True).start()


if sys.argv[1] == "client":
    client(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
else:
    server(sys.argv[2], sys.argv[3])
