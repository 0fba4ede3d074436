"""Retrains remember the drift alarms they answer; values of feeds are mapped to tags."""

import sqlalchemy as sa
from alembic import op

from db.migrations.types import INSTANT, KEY

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("runs", sa.Column("alarms", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "feed_values",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("tag_id", KEY, nullable=True),
        sa.Column("said_by", sa.String(length=200), nullable=False),
        sa.Column("said_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_feed_values_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", "value", name=op.f("pk_feed_values")),
    )
    op.create_index("ix_feed_values_tag_id", "feed_values", ["tag_id"])
