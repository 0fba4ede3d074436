"""What a team says its tags mean."""

import sqlalchemy as sa
from alembic import op

from db.migrations.types import INSTANT, KEY, LONG_TEXT, one_of

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "tag_facts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("tag_id", KEY, nullable=False),
        sa.Column("description", LONG_TEXT, nullable=False),
        sa.Column("share", sa.Double(), nullable=True),
        sa.Column("said_by", sa.String(length=200), nullable=False),
        sa.Column("said_at", INSTANT, nullable=False),
        sa.CheckConstraint("share > 0 AND share < 1", name=op.f("ck_tag_facts_share")),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_tag_facts_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_facts")),
    )
    op.create_index("ix_tag_facts_tag_id", "tag_facts", ["tag_id"])

    op.create_table(
        "tag_words",
        sa.Column("id", KEY, nullable=False),
        sa.Column("tag_id", KEY, nullable=False),
        sa.Column("word", sa.String(length=200), nullable=False),
        sa.Column("verdict", one_of("for", "against", "rejected", name="verdict"), nullable=True),
        sa.Column("undoes_id", KEY, nullable=True),
        sa.Column("said_by", sa.String(length=200), nullable=False),
        sa.Column("said_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_tag_words_tag_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["undoes_id"], ["tag_words.id"], name=op.f("fk_tag_words_undoes_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_words")),
    )
    op.create_index("ix_tag_words_tag_id", "tag_words", ["tag_id"])
