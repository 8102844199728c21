"""What all charts share: times in the reader's zone, a quiet frame, the chosen stretch. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import pandas as pd
import plotly.graph_objects as go

from dashboard.filters import Chosen, View
from dashboard.theme import Palette

CONFIG = {"displayModeBar": False, "doubleClick": False, "scrollZoom": False}


def add_chosen(figure: go.Figure, chosen: Chosen | None, scope: str, view: View, palette: Palette) -> None:
    if chosen is None or chosen.scope != scope:
        return
    x0, x1 = local(utc([chosen.since, chosen.until]), view.zone)
    figure.add_vrect(x0=x0, x1=x1, fillcolor=palette.accent, opacity=0.16, line_width=0, layer="below")


def dress(figure: go.Figure, view: View, palette: Palette, height: int) -> None:
    """What all charts share: no frame, few lines, a click to select."""
    figure.update_layout(
        height=height,
        margin={"l": 36, "r": 6, "t": 4, "b": 34},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": '"Source Sans", "Source Sans Pro", sans-serif', "size": 12, "color": palette.muted},
        hovermode="closest",
        hoverlabel={
            "bgcolor": palette.paper,
            "bordercolor": palette.line,
            "font": {"size": 12, "color": palette.ink},
            "align": "left",
        },
        dragmode=False,
        clickmode="event+select",
        showlegend=False,
    )
    edges = local(utc([view.since, view.until]), view.zone)
    figure.update_xaxes(
        range=edges,
        showgrid=False,
        zeroline=False,
        hoverformat="%a %-d %b %H:%M",
        ticks="",
        fixedrange=True,
        tickfont={"size": 11},
    )
    days = view.grain.length.days
    figure.update_xaxes(tickformat="%H:%M\n%a %-d %b" if days <= 3 else "%a %-d\n%b" if days <= 7 else "%-d\n%b %Y")
    figure.update_yaxes(gridcolor=palette.line, gridwidth=1, zeroline=False, ticks="", tickfont={"size": 11})


def utc(times: Sequence[datetime]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([at.astimezone(UTC) for at in times], tz="UTC")


def local(times: pd.DatetimeIndex, zone: tzinfo) -> pd.DatetimeIndex:
    """The reader's wall clock; plotly has no zones."""
    return times.tz_convert(zone).tz_localize(None)


def clear(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
