"""The image and the compose file say what the README promises. Checked as text: no engine is needed."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from monitor import metrics
from monitor.settings import Settings, read_settings
from tests.test_docs import metric_names, verbs

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
CLUSTER = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text()))
PODS = {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in CLUSTER if one["kind"] == "Deployment"}
MIGRATE = PODS["jobs"]["initContainers"][0]
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


def test_what_the_image_runs_is_a_verb_and_every_setting_it_makes_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.M)) == {'["tini", "--", "tocsin"]'}
    assert {f"tocsin {name}" for name in re.findall(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.M)} <= set(verbs())
    made = dict(
        pair.split("=", 1) for line in re.findall(r"^ENV (TOCSIN.+)$", DOCKERFILE, re.M) for pair in line.split()
    )
    values = made | {
        name: re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", str(value)).replace("set TOCSIN_DB_PASSWORD", "secret")
        for name, value in COMPOSE["x-program"]["environment"].items()
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert read_settings().broker == "kafka"


def test_the_cluster_runs_every_program_as_somebody_who_may_little() -> None:
    assert {*PODS, MIGRATE["name"]} == set(PROGRAMS)
    for name, pod in PODS.items():
        (container,) = pod["containers"]
        assert container["args"] == [name]
        assert pod["enableServiceLinks"] is False, "its variables would be taken for settings"
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted == {"/var/lib/tocsin", "/tmp"}, "what a program writes to"


def test_a_new_image_brings_its_schema_along_and_can_be_applied() -> None:
    """A Job would refuse another image, and not run again with the same."""
    assert {one["kind"] for one in CLUSTER} == {"ConfigMap", "PersistentVolumeClaim", "Deployment"}
    (program,) = PODS["jobs"]["containers"]
    assert {**program, "name": "migrate", "args": ["migrate"]} == MIGRATE


def test_all_programs_share_the_models_feeds_and_watch_list_in_both() -> None:
    """A version that no worker finds takes no messages, and a feed added in one pod alone is never asked."""
    folder = "/var/lib/tocsin"
    assert COMPOSE["x-program"]["volumes"] == [f"state:{folder}"]
    assert "state" in COMPOSE["volumes"]
    (claim,) = (one for one in CLUSTER if one["kind"] == "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in PODS.values():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        (mounted,) = (mount for mount in pod["containers"][0]["volumeMounts"] if mount["mountPath"] == folder)
        assert volumes[mounted["name"]]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}


def test_no_container_s_log_grows_without_end() -> None:
    for service in COMPOSE["services"].values():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_what_the_cluster_sets_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    (settings,) = (one["data"] for one in CLUSTER if one["kind"] == "ConfigMap")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
        assert name.removeprefix("TOCSIN_").lower() in Settings.model_fields
    assert read_settings().metrics_port == 9100


def test_both_look_at_the_dashboard_s_health_in_words_that_run() -> None:
    checks = [
        COMPOSE["services"]["dashboard"]["healthcheck"]["test"][1:],
        PODS["dashboard"]["containers"][0]["readinessProbe"]["exec"]["command"],
    ]
    assert checks[0] == checks[1]
    command = [sys.executable, "-c", checks[0][2].replace("8501", "9")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1


def test_prometheus_asks_every_program_on_its_own_port() -> None:
    asked = {
        one["job_name"]: (where["names"], where["port"])
        for one in yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
        for where in one["dns_sd_configs"]
    }
    base = COMPOSE["x-program"]["environment"]["TOCSIN_METRICS_PORT"]
    assert asked == {name: ([name], base + number) for number, name in enumerate(metrics.PROGRAMS)}
    for one in CLUSTER:
        if one["kind"] == "Deployment":
            told = one["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"]
            assert int(told) == asked[one["metadata"]["name"]][1]


def test_alerts_and_panels_ask_for_metrics_that_are_there() -> None:
    rules = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((ROOT / "deploy/grafana.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for one in asked for name in re.findall(r"tocsin_\w+", one)}
    assert named == metric_names()
