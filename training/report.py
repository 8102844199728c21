"""A report's JSON -> Markdown and pictures in the version's folder. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HEADS = {
    "topic": "Topic",
    "sentiment": "Sentiment of a post",
    "company": "Sentiment toward a company named in a headline",
}


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """report.json, report.md and, per head, reliability-HEAD.png and confusion-HEAD.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    for head, found in report["heads"].items():
        draw_reliability(found, HEADS[head], folder / f"reliability-{head}.png")
        draw_confusion(found, HEADS[head], folder / f"confusion-{head}.png")


def markdown(report: Mapping[str, Any]) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {report['version']} on the {report['split']} split"
    yield ""
    learned = _learned(report.get("learned_from_other_files"))
    yield (f"Made {report['made_at']}, through the code that serves. {learned} In brackets: bootstrap 95 % intervals.")
    for head, found in report["heads"].items():
        yield from ("", f"## {HEADS[head]}", "")
        yield from _against(report["version"], found)
        yield ""
        yield from _calibration(found)
        if "transferred" in found:
            yield from ("", _beside(head, found["transferred"]))
        yield from ("", "| slice | examples | accuracy | macro-F1 |", "|---|---:|---:|---:|")
        for name, row in found["slices"].items():
            yield f"| {name} | {row['examples']:,} | {row['accuracy']:.3f} | {row['macro_f1']:.3f} |"
        yield from ("", "| class | precision | recall | F1 | examples |", "|---|---:|---:|---:|---:|")
        for name, row in found["classes"].items():
            shown = name.replace("|", "\\|")
            numbers = f"{row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} | {row['support']:,}"
            yield f"| {shown} | {numbers} |"
        yield from ("", f"![Reliability](reliability-{head}.png) ![Confusion](confusion-{head}.png)")


def _learned(others: Sequence[str] | None) -> str:
    if others:
        return f"{' and '.join(others)} learned from other labelled files than these: perhaps from these very texts."
    return "No text alike to one of these (word pairs, Jaccard 0.6 or more, compared exactly) was trained on."


def _against(version: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| | examples | accuracy | macro-F1 | weighted F1 |", "|---|---:|---:|---:|---:|")
    rows = {f"**{version}**": found, **found["baselines"]}
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["macro_f1"]):
        yield (
            f"| {name} | {row['examples']:,} | {_with_interval(row, 'accuracy')} | {_with_interval(row, 'macro_f1')} "
            f"| {row['weighted_f1']:.3f} |"
        )


def _calibration(found: Mapping[str, Any]) -> Iterator[str]:
    usual, most = found["ece_by_chance"]
    yield (
        f"Calibration error (ECE, 15 steps) {found['ece_before']:.3f} before, {found['ece_after']:.3f} after "
        f"temperature {found['temperature']:.3f}; negative log likelihood {found['nll_before']:.3f} -> "
        f"{found['nll_after']:.3f}. True probabilities would show an error of {usual:.3f} on as many answers, and one "
        f"above {most:.3f} once in twenty times."
    )
    if "negative_recall_at_precision_80" in found:
        share = found["negative_recall_at_precision_80"]
        yield f"Where four of five texts called negative are so, {share:.0%} of the negative ones are found."


def _beside(head: str, row: Mapping[str, Any]) -> str:
    what = {"sentiment": "headlines that say the same of every company", "company": "posts that name one company"}
    return (
        f"Besides, by the other set's labels: {row['examples']:,} {what[head]}, accuracy "
        f"{_with_interval(row, 'accuracy')}, macro-F1 {_with_interval(row, 'macro_f1')}."
    )


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_95"]
    return f"{row[name]:.3f} [{low:.3f}, {high:.3f}]"


def draw_reliability(found: Mapping[str, Any], title: str, path: Path) -> None:
    """How often answers of a confidence were right; on the diagonal, confidence is honest."""
    figure, axes = _figure(4.2, 4.2)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    for name, colour in (("reliability_before", "#bbbbbb"), ("reliability", "#1f5fa8")):
        steps = found[name]
        sizes = [8 + 120 * step["count"] / found["examples"] for step in steps]
        label = "before" if name.endswith("before") else "as served"
        axes.scatter(
            [s["confidence"] for s in steps], [s["accuracy"] for s in steps], sizes, colour, label=label, zorder=3
        )
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title(title, fontsize=9)
    axes.legend(frameon=False, loc="upper left")
    _save(figure, path)


def draw_confusion(found: Mapping[str, Any], title: str, path: Path) -> None:
    """Rows are what was true, shaded by the share of the row."""
    names, rows = found["confusion"]["classes"], np.array(found["confusion"]["rows"])
    size = 3.6 if len(names) < 5 else 8.4
    figure, axes = _figure(size, size)
    axes.imshow(rows / np.maximum(1, rows.sum(1, keepdims=True)), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answered", ylabel="true")
    axes.set_title(title, fontsize=9)
    for (row, column), count in np.ndenumerate(rows):
        if count:
            dark = count / rows[row].sum() > 0.5
            axes.text(column, row, count, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot: no window system, nothing global

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
