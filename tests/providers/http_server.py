"""An HTTP server on a real socket for transport tests: says exactly the bytes it is told, then does as told."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class RawServer:
    """`requests` holds the raw requests that came in."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def raw_server(answer: bytes, *, delay_s: float = 0.0, drip_s: float = 0.0) -> Iterator[RawServer]:
    """Serve `answer` to every connection after `delay_s`, a byte each `drip_s` when given, then close it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
    is_over = threading.Event()

    def handle(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            received = b""
            while b"\r\n\r\n" not in received and (chunk := connection.recv(65536)):
                received += chunk
            server.requests.append(received)
            is_over.wait(delay_s)
            try:
                for start in range(0, len(answer), 1 if drip_s else max(len(answer), 1)):
                    connection.sendall(answer[start : start + 1] if drip_s else answer)
                    time.sleep(drip_s)
                    if is_over.is_set():
                        return
            except OSError:
                return  # the client had enough

    def serve() -> None:
        while not is_over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def http_answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """Return the bytes of an HTTP answer."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n{headers}\r\n"
    )
    return head.encode() + body
