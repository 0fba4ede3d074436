"""Labels belong to batches that can be held; a model knows the place of each labelled job."""

import sqlalchemy as sa
from alembic import op

from db.migrations.types import INSTANT, KEY, LONG_TEXT, one_of

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "label_batches",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("labeller", sa.String(length=200), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("state", one_of("new", "used", "held", name="state"), nullable=False),
        sa.Column("suspects", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_batches")),
    )
    op.create_index("ix_label_batches_state", "label_batches", ["state"])
    op.create_table(
        "batch_decisions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("batch_id", KEY, nullable=False),
        sa.Column("state", one_of("new", "used", "held", name="state"), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["label_batches.id"],
            name=op.f("fk_batch_decisions_batch_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_decisions")),
    )
    op.create_index("ix_batch_decisions_batch_id", "batch_decisions", ["batch_id"])
    op.add_column("labels", sa.Column("batch_id", KEY, nullable=True))
    op.create_index("ix_labels_batch_id", "labels", ["batch_id"])
    op.add_column("model_jobs", sa.Column("position", sa.Integer(), nullable=True))
