"""The dashboard's command line: which address, which flags. Refuses an open door; starts nothing itself."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path

from dashboard import theme
from monitor.errors import UsageError
from monitor.settings import Settings

APP = Path(__file__).parent / "app.py"


def command(settings: Settings, port: int | None = None, *, insecure: bool = False) -> list[str]:
    """The command that serves the dashboard. UsageError where others could reach it without a login."""
    host = settings.dashboard_host
    if not insecure and not is_local(host):
        raise UsageError(
            f"the dashboard has no login of its own and would listen on {host}; "
            "keep TOCSIN_DASHBOARD_HOST=127.0.0.1 behind a proxy that asks for one, or pass --insecure"
        )
    flags = {
        "server.address": host,
        "server.port": str(port or settings.dashboard_port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": "false",
        "server.enableStaticServing": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "global.disableWidgetStateDuplicationWarning": "true",
    }
    named = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, "-m", "dashboard.program", "run", str(APP), *named, *theme.flags()]


def is_local(host: str) -> bool:
    """Only this machine reaches such an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
