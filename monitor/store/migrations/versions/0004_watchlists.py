"""Watch-lists that rules name; who ended a silence early, and who had a message sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "watchlists",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("companies", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("silences", sa.Column("ended_by", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("asked_by", sa.Text(), nullable=True))
