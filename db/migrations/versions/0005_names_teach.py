"""Models learn from what tags are called and mean, and no longer from their own guesses."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_table("pseudo_labels")
    op.add_column("model_tags", sa.Column("n_yes", sa.Integer(), nullable=True))
    op.add_column("model_tags", sa.Column("remark", sa.String(length=200), nullable=True))
    op.add_column("runs", sa.Column("tags_hash", sa.String(length=64), nullable=True))
