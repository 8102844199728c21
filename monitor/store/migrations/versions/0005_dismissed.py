"""When a message that was given up was dismissed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True))
