"""Model: which version labels the news, since when, how good it is by its own report. Shows only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import data, markup, parts
from monitor import registry
from monitor.errors import ModelUnavailable
from monitor.store.read_health import Agreement
from monitor.store.reads import Service

REPORTS = ("report.md", "README.md")
SHOWN_DEEP = 2
IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
"""Pictures in a report are shown from its folder; an address in it is never asked."""


def page() -> None:
    service = data.service()
    st.html("<h1>Model</h1>")
    if service is None:
        st.html(markup.empty("No model is in service yet.", "The first worker that starts registers the shipped one."))
        return
    main, side = st.columns([2.15, 1], gap="large")
    with side:
        _service(service)
        _history()
        _labels()
    with main:
        _report(service)


def _service(service: Service) -> None:
    zone, now = parts.zone(), data.now()
    st.html(markup.heading("In service"))
    rows = [
        ("Version", escape(service.version)),
        ("Since", markup.clock(service.since, zone, now)),
        ("By", escape(service.who)),
        ("Because", escape(service.reason)),
    ]
    st.html(markup.facts(rows))


def _history() -> None:
    rows = data.service_history()
    if len(rows) < 2:
        return
    zone, now = parts.zone(), data.now()
    st.html(markup.heading("Before", "newest first"))
    lines = [
        (escape(row.version), markup.clock(row.since, zone, now), escape(f"{row.who}: {row.reason}"))
        for row in rows[1:10]
    ]
    st.html(markup.table([("version", ""), ("since", "mut"), ("", "wide mut")], lines))


def _labels() -> None:
    """What people said, and how often that was what the model had said."""
    st.html(markup.heading("People's labels", "the newest per article, against the model's"))
    rows = data.agreement()
    if not rows:
        st.html(markup.empty("None yet.", "Correct a label beside any story: it counts at once."))
    else:
        _agreement(rows)
    st.html(markup.note_link("Label what the model is unsure of, and a random sample", "label"))


def _agreement(rows: Sequence[Agreement]) -> None:
    lines = [
        (escape(row.task), escape(row.origin), markup.number(row.labels), f"{row.agreed / max(1, row.labels):.0%}")
        for row in rows
    ]
    st.html(markup.table([("task", ""), ("from", "mut"), ("labels", "n"), ("model agreed", "n")], lines))


def _report(service: Service) -> None:
    try:
        folder = registry.find_version(service.version, data.settings().data_dir, data.settings().model)
        manifest = registry.read_manifest(folder)
    except ModelUnavailable as error:
        st.html(markup.empty("This version's files are not on this machine.", str(error)))
        return
    found = (folder / part / name for part in ("report", "report-validation") for name in REPORTS)
    report = next((path for path in found if path.is_file()), None)
    if report is None:
        st.html(markup.empty("This version has no report.", "`tocsin evaluate` writes one into the model's folder."))
    else:
        st.markdown(IMAGE.sub("", report.read_text(encoding="utf-8")))
        _plots(report.parent)
    with st.expander("Manifest: data, configuration, calibration"):
        st.html(markup.facts(_flat(manifest.everything)))


def _plots(folder: Path) -> None:
    images = sorted(folder.glob("*.png")) if folder.is_dir() else []
    if not images:
        return
    for column, image in zip(st.columns(2) * len(images), images, strict=False):
        column.image(str(image), caption=image.stem.replace("_", " "))


def _flat(values: Mapping[str, Any], depth: int = 0, prefix: str = "") -> list[tuple[str, str]]:
    """A manifest as name and value; deep parts in one line."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and depth < SHOWN_DEEP:
            rows += _flat(value, depth + 1, f"{prefix}{name} · ")
        else:
            words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((f"{prefix}{name}", escape(words)))
    return rows
