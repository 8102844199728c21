"""The README names every verb and says what CI runs."""

import re
from pathlib import Path

import typer.main
from prometheus_client import Counter, Gauge, Histogram

from monitor import metrics
from monitor.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def verbs() -> list[str]:
    found = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found += [f"tocsin {name} {verb}" for verb in inner] if inner else [f"tocsin {name}"]
    return found


def metric_names() -> set[str]:
    """As they stand in /metrics: a counter's with its suffix."""
    kinds = [one for one in vars(metrics).values() if isinstance(one, Counter | Gauge | Histogram)]
    return {family.name + "_total" * (family.type == "counter") for one in kinds for family in one.collect()}


def test_every_verb_is_documented() -> None:
    missing = [verb for verb in verbs() if not re.search(rf"`{re.escape(verb)}\b", README)]
    assert not missing


def test_every_option_says_what_it_does() -> None:
    for command in typer.main.get_command(app).commands.values():  # type: ignore[attr-defined]
        for verb in getattr(command, "commands", {"": command}).values():
            assert verb.help, f"{verb.name} has no help"
            silent = [one.name for one in verb.params if one.name != "help" and not getattr(one, "help", None)]
            assert not silent, f"{verb.name}: {silent} say nothing"


def test_ci_runs_the_readme_s_own_lines() -> None:
    run = (ROOT / ".ci/run").read_text()
    for name in ("test", "demo"):
        block = re.search(rf"<!-- {name} -->\n```sh\n(.+)\n```\n", README)
        assert block, f"the README's {name} line is not one line in a sh block"
        assert f"readme {name}" in run
    assert "tocsin demo" in README


def test_every_metric_is_documented_and_none_else() -> None:
    told = {line[0] for line in re.findall(r"^\| `(tocsin_\w+)` \| (.+) \|$", README, re.M)}
    assert told == metric_names()


def test_the_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)
