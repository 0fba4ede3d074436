"""Which tags a model may give without a person."""

import sqlalchemy as sa
from alembic import op

from db.migrations.types import INSTANT, KEY

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "promises",
        sa.Column("id", KEY, nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("tag_id", KEY, nullable=False),
        sa.Column("wrong_at_most", sa.Double(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("n_given", sa.Integer(), nullable=False),
        sa.Column("n_wrong", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("promised_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "wrong_at_most > 0 AND wrong_at_most < 1", name=op.f("ck_promises_wrong_at_most")
        ),
        sa.CheckConstraint(
            "confidence > 0 AND confidence < 1", name=op.f("ck_promises_confidence")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_promises_model_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_promises_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promises")),
    )
    op.create_index("ix_promises_model_id_tag_id", "promises", ["model_id", "tag_id"])
    op.create_index("ix_promises_tag_id", "promises", ["tag_id"])
