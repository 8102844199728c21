"""The image and the compose file say what the README promises. Checked as text: no engine is needed."""

import re
import tomllib
from pathlib import Path

import yaml

from monitor.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
PROGRAMS = ("migrate", "ingest", "worker", "jobs", "dashboard")


def test_compose_runs_every_program_and_two_workers() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"kafka", "postgres", *PROGRAMS}
    assert services["worker"]["deploy"]["replicas"] == 2
    assert all(services[name]["command"][0] == name for name in PROGRAMS)


def test_every_variable_the_compose_file_sets_is_a_setting() -> None:
    names = {name.removeprefix("TOCSIN_").lower() for name in COMPOSE["x-program"]["environment"]}
    assert names <= set(Settings.model_fields)


def test_no_password_is_written_down_and_nothing_listens_beyond_this_host() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text()
    assert not re.search(r"(?i)password: +[^$\s]", text)
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_log_lies_on_a_volume() -> None:
    kafka = COMPOSE["services"]["kafka"]
    assert f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}" in kafka["volumes"]


def test_every_target_ends_as_an_unprivileged_user() -> None:
    for target in ("cpu", "gpu"):
        stage = re.search(rf"AS {target}\n(.*?)(?=\nFROM|\Z)", DOCKERFILE, re.S)
        assert stage
        assert re.findall(r"^USER (\S+)", stage.group(1), re.M) == ["10001"]


def test_the_image_and_the_constraints_agree_on_torch() -> None:
    pinned = re.search(r"^torch==(\S+)$", (ROOT / "deploy/constraints.txt").read_text(), re.M)
    assert pinned
    assert set(re.findall(r"torch==(\S+)", DOCKERFILE)) == {pinned.group(1)}


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [need for extra in project["optional-dependencies"].values() for need in extra]
    names = {re.split(r"[\[<>=!~;]", need)[0].lower().replace("_", "-") for need in wanted} - {"tocsin"}
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "deploy/constraints.txt").read_text(), re.M)
    assert names <= {pin.lower().replace("_", "-") for pin in pins}
