"""Topic x time -> Figure. Pure, as dashboard/charts.py is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.drawing import dress, local, utc
from dashboard.filters import Chosen, View, stamp
from dashboard.theme import Palette
from monitor.store.reads import Cell

FADE_STORIES = 3.0
"""A cell of so many stories shows half its mean score: few stories, faint colour."""
EDGE = 0.45
"""The faded mean score that has the full colour."""


def heat(cells: Sequence[Cell], view: View, palette: Palette, chosen: Chosen | None) -> go.Figure:
    """Net sentiment of each topic over time, faint where there are few stories; the busiest topic on top."""
    step = view.grain.heat_step
    table = pd.DataFrame(cells, columns=Cell._fields)
    table["topic"] = table.scope.str.removeprefix("topic:")
    table["at"] = utc(list(table["at"]))
    order = list(table.groupby("topic").total.sum().sort_values().index)
    faded = table.score_sum.astype(float) / (table.total.astype(float) + FADE_STORIES)
    steps = pd.date_range(table["at"].min(), table["at"].max(), freq=step)
    grid = table.assign(faded=faded).pivot(index="topic", columns="at", values="faded").reindex(order, columns=steps)
    figure = go.Figure(
        go.Heatmap(
            x=local(steps + step / 2, view.zone),
            y=order,
            z=grid.to_numpy(float),
            zmin=-EDGE,
            zmax=EDGE,
            colorscale=[(0, palette.negative), (0.5, palette.panel), (1, palette.positive)],
            showscale=False,
            xgap=1,
            ygap=1,
            hoverinfo="skip",
        )
    )
    _add_marks(figure, table, step, view)
    dress(figure, view, palette, height=36 + 21 * max(len(order), 4))
    figure.update_layout(margin={"l": 178, "r": 6, "t": 2, "b": 34})
    figure.update_yaxes(tickfont={"size": 12.5, "color": palette.ink}, showgrid=False, ticks="", ticksuffix=" ")
    figure.update_yaxes(range=[-0.5, len(order) - 0.5])
    figure.update_xaxes(range=local(utc([view.since, max(view.until, steps[-1] + step)]), view.zone))
    if chosen is not None and chosen.scope.removeprefix("topic:") in order:
        row = order.index(chosen.scope.removeprefix("topic:"))
        x0, x1 = local(utc([chosen.since, chosen.until]), view.zone)
        edge = {"width": 1.6, "color": palette.ink}
        figure.add_shape(type="rect", x0=x0, x1=x1, y0=row - 0.5, y1=row + 0.5, line=edge)
    return figure


def _add_marks(figure: go.Figure, table: pd.DataFrame, step: timedelta, view: View) -> None:
    """An unseen mark on each cell, as plotly's heat maps answer no click."""
    starts = [stamp(at) for at in table["at"]]
    ends = [stamp(at + step) for at in table["at"]]
    figure.add_scatter(
        x=local(pd.DatetimeIndex(table["at"]) + step / 2, view.zone),
        y=table.topic,
        mode="markers",
        marker={"size": 15, "symbol": "square", "opacity": 0},
        customdata=np.column_stack([table.scope, starts, ends, table.total, table.negative, table.positive]),
        hovertemplate="<b>%{y}</b> · %{x|%a %-d %b %H:%M}<br>%{customdata[3]} stories, %{customdata[4]} negative, "
        "%{customdata[5]} positive<extra></extra>",
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
    )
