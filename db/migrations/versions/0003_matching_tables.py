"""The tables of matching."""

import sqlalchemy as sa
from alembic import op

from db.migrations.types import BYTES, INSTANT, KEY, one_of

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "match_models",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("config", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("metrics", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("code_version_id", KEY, nullable=True),
        sa.Column("last_job", KEY, nullable=False),
        sa.Column("last_candidate", KEY, nullable=False),
        sa.Column("last_event", KEY, nullable=False),
        sa.Column("events_until", INSTANT, nullable=True),
        sa.Column("trained_at", INSTANT, nullable=False),
        sa.Column("lists_since", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["code_version_id"],
            ["code_versions.id"],
            name=op.f("fk_match_models_code_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_models")),
        sa.UniqueConstraint("folder", name=op.f("uq_match_models_folder")),
    )
    op.create_index("ix_match_models_code_version_id", "match_models", ["code_version_id"])
    op.create_index("ix_match_models_name", "match_models", ["name"])

    op.create_table(
        "recommendations",
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("list_of", one_of("candidate", "job", name="list_of"), nullable=False),
        sa.Column("candidate_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("computed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["candidates.id"],
            name=op.f("fk_recommendations_candidate_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_recommendations_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["match_models.id"],
            name=op.f("fk_recommendations_model_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "model_id", "list_of", "candidate_id", "job_id", name=op.f("pk_recommendations")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_recommendations_candidate_id", "recommendations", ["candidate_id"])
    op.create_index("ix_recommendations_job_id", "recommendations", ["job_id"])

    op.create_table(
        "candidate_codes",
        sa.Column("code_version_id", KEY, nullable=False),
        sa.Column("candidate_id", KEY, nullable=False),
        sa.Column("code", BYTES, nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["candidates.id"],
            name=op.f("fk_candidate_codes_candidate_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["code_version_id"],
            ["code_versions.id"],
            name=op.f("fk_candidate_codes_code_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("code_version_id", "candidate_id", name=op.f("pk_candidate_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_candidate_codes_candidate_id", "candidate_codes", ["candidate_id"])

    op.create_table(
        "embedding_versions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("n_numbers", sa.Integer(), nullable=False),
        sa.Column("vectors_since", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["match_models.id"],
            name=op.f("fk_embedding_versions_model_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embedding_versions")),
        sa.UniqueConstraint("name", "model_id", name=op.f("uq_embedding_versions_name_model_id")),
    )
    op.create_index("ix_embedding_versions_model_id", "embedding_versions", ["model_id"])

    op.create_table(
        "embeddings",
        sa.Column("version_id", KEY, nullable=False),
        sa.Column("candidate_id", KEY, nullable=False),
        sa.Column("vector", BYTES, nullable=False),
        sa.Column("computed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["candidates.id"],
            name=op.f("fk_embeddings_candidate_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["embedding_versions.id"],
            name=op.f("fk_embeddings_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "candidate_id", name=op.f("pk_embeddings")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_embeddings_candidate_id", "embeddings", ["candidate_id"])
