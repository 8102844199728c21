"""The first schema."""

from alembic import op

from monitor.broker import log_tables
from monitor.store import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    for metadata in (tables.metadata, log_tables.metadata):
        metadata.create_all(op.get_bind())
