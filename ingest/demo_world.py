"""The simulated world as the demo wants it: its stream on a log. Wires, decides nothing."""

from __future__ import annotations

from datetime import datetime

from ingest.log import to_log
from ingest.simulation import SimulatedNews
from ingest.sources.simulate import Simulation
from ingest.states import FeedStates
from monitor.broker.protocol import Broker


def simulated_world(anchor: datetime, broker: Broker, topic: str, states: FeedStates) -> SimulatedNews:
    """The world in which `anchor` is a Tuesday, 10:00."""
    return SimulatedNews(Simulation(anchor), to_log(broker, topic), states)
