"""The tables of alerting."""

from alembic import op

from monitor.store import alert_tables

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    alert_tables.metadata.create_all(op.get_bind())
