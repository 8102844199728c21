"""Dead letters by what they say, too: in a log that was made anew another message lies where one lay before."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    digest = sa.Column("digest", sa.Text(), sa.Computed("md5(payload)", persisted=True), nullable=False)
    op.add_column("dead_letters", digest)
    op.drop_constraint("pk_dead_letters", "dead_letters")
    op.create_primary_key("pk_dead_letters", "dead_letters", ["topic", "partition", "offset", "digest"])
