"""Local servers that take messages as the real services would, and keep what they got. No network."""

from __future__ import annotations

import email
import email.policy
import socketserver
import ssl
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast


class _Served:
    """A server in a thread of its own, from entering to leaving the block."""

    server: socketserver.BaseServer

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def address(self) -> str:
        host, port = cast(tuple[str, int], self.server.server_address)[:2]
        return f"{host}:{port}"


class WebReceiver(_Served):
    """Answers what Slack, Telegram and the others answer to a message that they took."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                said = b'{"ok": true, "result": {}}' if self.path.startswith("/bot") else b"ok"
                self.send_response(receiver.answer)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.server = server


class MailReceiver(_Served):
    """As much of SMTP as a sender needs."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 ready")
                while (line := self.rfile.readline()) and line[:4].upper() != b"QUIT":
                    if line[:4].upper() == b"DATA":
                        self.say("354 go on")
                        receiver.got.append(self.letter())
                    self.say("250 fine")
                self.say("221 bye")

            def letter(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b"."))
                found: Any = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                return cast(EmailMessage, found)

            def say(self, words: str) -> None:
                self.wfile.write(words.encode() + b"\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
