"""A real HTTP server that behaves as badly as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class BadServer:
    """Paths answer as registered; every request's path and headers are kept."""

    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def on(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return self.url(path)

    def serve(self, path: str, body: bytes | str, status: int = 200, **headers: str) -> str:
        """Answer with this; header names are written with underscores."""
        data = body.encode() if isinstance(body, str) else body

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name.replace("_", "-"), value)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)

        return self.on(path, answer)


@pytest.fixture
def server() -> Iterator[BadServer]:
    bad = BadServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            bad.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            try:
                bad.answers[self.path.partition("?")[0]](self)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    running = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    running.daemon_threads = True
    bad.port = running.server_address[1]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield bad
    running.shutdown()
    running.server_close()
    thread.join()
