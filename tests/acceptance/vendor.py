"""Servers that misbehave on request: a vendor's API, and a door behind which nobody speaks TLS."""

import http.server
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

REASON = '{"error": "the cache behind us is cold"}'


@dataclass
class Vendor:
    """`http://…/500` answers 500; `/closed`, `/hang`, `/broken` and `/429-once` do what they say, the rest is well."""

    url: str
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def vendor():
    """On a port of its own; whoever hangs is let go at the end."""
    known = Vendor("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0].lstrip("/")
            known.asked.append(path)
            if path == "closed":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if path == "hang":
                known.released.wait(10)
                return
            status, headers, body = 200, {}, '{"rows": []}' if path == "empty" else '{"rows": [1, 2]}'
            if path.isdigit():
                status, body = int(path), REASON
            elif path == "broken":
                body = "<html>we are moving"
            elif path == "429-once" and known.asked.count(path) == 1:
                status, headers, body = 429, {"Retry-After": "1"}, "slowly"
            self.answer(status, headers, body.encode())

        def answer(self, status, headers, body):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        known.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent_door():
    """A port that takes connections, into its backlog, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]
