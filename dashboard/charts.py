"""DataFrame -> Figure. Pure: colours come from a Palette, times are shown in the reader's zone, nothing is read.

Every mark carries `customdata` = (scope, from, to) in the form of URLs, so that a click leads to its stories.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.filters import Chosen, View, stamp
from dashboard.theme import Palette
from dashboard.usual import Usual
from monitor.store.reads import Cell, Point

CONFIG = {"displayModeBar": False, "doubleClick": False, "scrollZoom": False}
FADE_STORIES = 3.0
"""A heat map's cell of so many stories shows half its mean score: few stories, faint colour."""


def frame(points: Sequence[Point], since: datetime, until: datetime, step: timedelta) -> pd.DataFrame:
    """Points as a frame with a row for every step of [since, until); steps without news are zeros."""
    index = pd.date_range(since, until, freq=step, inclusive="left").tz_convert("UTC")
    columns = ["total", "negative", "positive", "score_sum"]
    table = pd.DataFrame([point[1:] for point in points], columns=columns, index=_utc([p.at for p in points]))
    return table.astype(float).reindex(index, fill_value=0.0)


def pulse(
    table: pd.DataFrame, usual: Usual | None, view: View, palette: Palette, scope: str, chosen: Chosen | None
) -> go.Figure:
    """Net sentiment over time above, volume split by sentiment below, with the usual negative level behind it."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.36, 0.64])
    middle = _local(table.index + view.grain.step / 2, view.zone)
    _add_net(figure, table, middle, palette)
    neutral = table.total - table.negative - table.positive
    for name, values, colour in (
        ("negative", table.negative, palette.negative),
        ("neutral", neutral, palette.neutral),
        ("positive", table.positive, palette.positive),
    ):
        figure.add_bar(
            x=middle,
            y=values,
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hoverinfo="skip",
            row=2,
            col=1,
        )
    if usual is not None:
        _add_usual(figure, usual, middle, palette)
    _add_columns(figure, table, usual, view, scope)
    _dress(figure, view, palette, height=330)
    figure.update_layout(barmode="stack", bargap=0.18)
    figure.update_yaxes(range=_net_range(table), nticks=4, tickformat="+.1f", row=1, col=1)
    figure.update_yaxes(rangemode="tozero", nticks=4, row=2, col=1)
    _add_chosen(figure, chosen, scope, view, palette)
    return figure


def _add_net(figure: go.Figure, table: pd.DataFrame, middle: Any, palette: Palette) -> None:
    net = _net(table)
    for name, part, colour in (
        ("above", net.clip(lower=0), palette.positive),
        ("below", net.clip(upper=0), palette.negative),
    ):
        figure.add_scatter(
            x=middle,
            y=part,
            name=name,
            mode="lines",
            line={"width": 0, "color": colour, "shape": "spline", "smoothing": 0.4},
            fill="tozeroy",
            fillcolor=_clear(colour, 0.28),
            hoverinfo="skip",
            row=1,
            col=1,
        )
    figure.add_scatter(
        x=middle,
        y=net,
        name="net sentiment",
        mode="lines",
        line={"width": 1.4, "color": palette.ink, "shape": "spline", "smoothing": 0.4},
        hoverinfo="skip",
        row=1,
        col=1,
    )


def _add_columns(figure: go.Figure, table: pd.DataFrame, usual: Usual | None, view: View, scope: str) -> None:
    """One unseen column per step over each row: it answers the pointer with all figures, and the click."""
    step = view.grain.step
    ends = table.index + step
    marks = list(
        zip(
            [scope] * len(table),
            [stamp(at) for at in table.index],
            [stamp(at) for at in ends],
            _spoken(table, usual, view),
            strict=True,
        )
    )
    for axis, over in (("y3", "y"), ("y4", "y2")):
        figure.add_bar(
            x=_local(table.index + step / 2, view.zone),
            y=[1] * len(table),
            width=step.total_seconds() * 1000,
            xaxis="x" if over == "y" else "x2",
            yaxis=axis,
            marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
            customdata=marks,
            hovertemplate="%{customdata[3]}<extra></extra>",
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
        )
        hidden = {"overlaying": over, "range": [0, 1], "visible": False, "fixedrange": True}
        figure.update_layout({f"yaxis{axis[1:]}": hidden})


def _spoken(table: pd.DataFrame, usual: Usual | None, view: View) -> list[str]:
    """What the pointer reads above a step."""
    words = []
    for row in table.itertuples():
        start, end = row.Index.tz_convert(view.zone), (row.Index + view.grain.step).tz_convert(view.zone)
        when = f"{start:%a %-d %b %H:%M} to {end:%H:%M}" if view.grain.length.days < 30 else f"{start:%a %-d %b %H:%M}"
        line = f"<b>{when}</b><br>{row.negative:.0f} negative"
        if usual is not None:
            line += f" (usually {usual.negative[row.Index]:.1f}, rarely above {usual.upper[row.Index]:.1f})"
        line += f"<br>{row.total - row.negative - row.positive:.0f} neutral, {row.positive:.0f} positive"
        if row.total:
            line += f"<br>net sentiment {row.score_sum / row.total:+.2f}".replace("-", "−")
        words.append(line)
    return words


def _net(table: pd.DataFrame) -> pd.Series:
    """Mean score over three steps, with one neutral story added, so that a single story at night is no peak."""
    sums = table[["score_sum", "total"]].rolling(3, min_periods=1, center=True).sum()
    return sums.score_sum / (sums.total + 1)


def _net_range(table: pd.DataFrame) -> tuple[float, float]:
    edge = max(0.5, float(_net(table).abs().max()) * 1.1)
    return -edge, edge


def _add_usual(figure: go.Figure, usual: Usual, middle: Any, palette: Palette) -> None:
    for name, values, dash, width in (
        ("usual negative", usual.negative, "dot", 1.6),
        ("rarely above", usual.upper, "solid", 1.0),
    ):
        figure.add_scatter(
            x=middle,
            y=values,
            name=name,
            mode="lines",
            line={"width": width, "dash": dash, "color": palette.ink, "shape": "hvh"},
            opacity=0.75 if dash == "dot" else 0.35,
            hoverinfo="skip",
            row=2,
            col=1,
        )


def heat(cells: Sequence[Cell], view: View, palette: Palette, chosen: Chosen | None) -> go.Figure:
    """Topic x time, coloured by net sentiment that fades where there are few stories; busiest topic on top."""
    step = view.grain.heat_step
    table = pd.DataFrame(cells, columns=Cell._fields)
    table["topic"] = table.scope.str.removeprefix("topic:")
    table["at"] = _utc(list(table["at"]))
    order = table.groupby("topic").total.sum().sort_values().index
    steps = pd.DatetimeIndex(sorted(table["at"].unique()))
    faded = table.score_sum.astype(float) / (table.total.astype(float) + FADE_STORIES)
    grid = table.assign(faded=faded).pivot(index="topic", columns="at", values="faded").reindex(order)
    middle = _local(steps + step / 2, view.zone)
    figure = go.Figure(
        go.Heatmap(
            x=middle,
            y=list(order),
            z=grid.to_numpy(float),
            zmin=-0.45,
            zmax=0.45,
            colorscale=[(0, palette.negative), (0.5, palette.panel), (1, palette.positive)],
            showscale=False,
            xgap=1,
            ygap=1,
            hoverinfo="skip",
        )
    )
    figure.add_scatter(
        x=_local(pd.DatetimeIndex(table["at"]) + step / 2, view.zone),
        y=table.topic,
        mode="markers",
        marker={"size": 15, "symbol": "square", "color": palette.ink, "opacity": 0},
        customdata=np.column_stack(
            [
                table.scope,
                [stamp(at) for at in table["at"]],
                [stamp(at + step) for at in table["at"]],
                table.total,
                table.negative,
                table.positive,
            ]
        ),
        hovertemplate="<b>%{y}</b> · %{x|%a %-d %b %H:%M}<br>%{customdata[3]} stories, %{customdata[4]} negative, "
        "%{customdata[5]} positive<extra></extra>",
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
    )
    _dress(figure, view, palette, height=36 + 21 * max(len(order), 4))
    figure.update_layout(margin={"l": 178, "r": 6, "t": 2, "b": 34})
    figure.update_yaxes(range=[-0.5, len(order) - 0.5])
    figure.update_yaxes(tickfont={"size": 12.5, "color": palette.ink}, showgrid=False, ticks="", ticksuffix=" ")
    figure.update_xaxes(showgrid=False)
    if chosen is not None and chosen.scope in set(table.scope):
        row = list(order).index(chosen.scope.removeprefix("topic:"))
        x0, x1 = _local(_utc([chosen.since, chosen.until]), view.zone)
        figure.add_shape(
            type="rect", x0=x0, x1=x1, y0=row - 0.5, y1=row + 0.5, line={"width": 1.6, "color": palette.ink}
        )
    return figure


def _add_chosen(figure: go.Figure, chosen: Chosen | None, scope: str, view: View, palette: Palette) -> None:
    if chosen is None or chosen.scope != scope:
        return
    x0, x1 = _local(_utc([chosen.since, chosen.until]), view.zone)
    figure.add_vrect(x0=x0, x1=x1, fillcolor=palette.accent, opacity=0.16, line_width=0, layer="below")


def _dress(figure: go.Figure, view: View, palette: Palette, height: int) -> None:
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
    edges = _local(_utc([view.since, view.until]), view.zone)
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
    figure.update_xaxes(tickformat="%H:%M\n%a %-d %b" if days <= 1 else "%a %-d\n%b" if days <= 7 else "%-d\n%b %Y")
    figure.update_yaxes(gridcolor=palette.line, gridwidth=1, zeroline=False, ticks="", tickfont={"size": 11})


def _utc(times: Sequence[datetime]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([at.astimezone(UTC) for at in times], tz="UTC")


def _local(times: pd.DatetimeIndex, zone: tzinfo) -> pd.DatetimeIndex:
    """The reader's wall clock; plotly has no zones."""
    return times.tz_convert(zone).tz_localize(None)


def _clear(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
