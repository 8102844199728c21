"""Where a program of ours listens: may it, does it answer? Opens sockets for a moment; serves nothing."""

from __future__ import annotations

import http.client
import socket

from monitor.errors import TocsinError, UsageError

HEALTH = "/_stcore/health"
"""What the dashboard answers once it can be read."""
DASHBOARD_MEND = "set TOCSIN_DASHBOARD_HOST or TOCSIN_DASHBOARD_PORT to another, or stop what listens there"


def must_be_free(host: str, port: int, mend: str) -> None:
    """UsageError where the host is none of this machine's, TocsinError where something listens there already."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as servers do: what is closing is no hindrance
            probe.bind(address)
    except socket.gaierror as error:
        raise UsageError(f"{host} is no address here ({error.strerror}); {mend}") from error
    except OSError as error:
        raise TocsinError(f"cannot listen on {host}:{port} ({error.strerror}); {mend}") from error


def is_healthy(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Does the dashboard there say that it is well? Asked directly, whatever proxy the environment names."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", HEALTH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
