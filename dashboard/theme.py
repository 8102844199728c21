"""How it looks: two palettes, the style sheet, Streamlit's theme flags. Pure; the only home of a colour."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

ASSETS = Path(__file__).parent / "assets"
ICON = ASSETS / "tocsin.svg"
Mode = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Palette:
    """Sentiment runs from vermilion to teal, told apart also by those who don't see red and green."""

    paper: str
    panel: str
    ink: str
    muted: str
    faint: str
    line: str
    negative: str
    negative_soft: str
    neutral: str
    positive: str
    accent: str
    warning: str


PALETTES: dict[Mode, Palette] = {
    "light": Palette(
        paper="#fcfbf9",
        panel="#f3f1ec",
        ink="#1d2329",
        muted="#5f6870",
        faint="#8b939a",
        line="#e3e0d9",
        negative="#c9472b",
        negative_soft="#f9e6df",
        neutral="#c3c6c7",
        positive="#17808c",
        accent="#34516f",
        warning="#a86a00",
    ),
    "dark": Palette(
        paper="#14181c",
        panel="#1d2328",
        ink="#e5e7e8",
        muted="#9ba4ab",
        faint="#727c84",
        line="#2c343a",
        negative="#f0754f",
        negative_soft="#3a221b",
        neutral="#56606a",
        positive="#3fb4c0",
        accent="#9dbbd9",
        warning="#e0aa4c",
    ),
}


def flags() -> list[str]:
    """Streamlit's options for both palettes, as command-line flags."""
    chosen = ["--theme.font=sans-serif", "--theme.baseFontSize=15", "--theme.baseRadius=0.375rem"]
    for mode, palette in PALETTES.items():
        values = {
            "primaryColor": palette.accent,
            "backgroundColor": palette.paper,
            "secondaryBackgroundColor": palette.panel,
            "textColor": palette.ink,
            "linkColor": palette.accent,
            "borderColor": palette.line,
            "redColor": palette.negative,
            "blueColor": palette.positive,
        }
        chosen += [f"--theme.{mode}.{name}={value}" for name, value in values.items()]
    return chosen


def style_sheet(palette: Palette) -> str:
    """The <style> element of every page."""
    values = asdict(palette).items()
    variables = "".join(f"--t-{name.replace('_', '-')}:{colour};" for name, colour in values)
    rules = (ASSETS / "style.css").read_text(encoding="utf-8")
    return f"<style>:root{{{variables}}}\n{rules}</style>"
