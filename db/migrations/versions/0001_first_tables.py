"""Jobs, candidates, events, tags and labels."""

import sqlalchemy as sa
from alembic import op

from db.migrations.types import BYTES, HASH, INSTANT, KEY, LONG_TEXT, one_of

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "candidates",
        sa.Column("id", KEY, nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("text", LONG_TEXT, nullable=False),
        sa.Column("fields", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("imported_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidates")),
        sa.UniqueConstraint("external_id", name=op.f("uq_candidates_external_id")),
    )
    op.create_table(
        "code_versions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("n_numbers", sa.Integer(), nullable=False),
        sa.Column("drift", sa.Double(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_versions")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("title", LONG_TEXT, nullable=False),
        sa.Column("text", LONG_TEXT, nullable=False),
        sa.Column("fields", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("posted_at", INSTANT, nullable=True),
        sa.Column("imported_at", INSTANT, nullable=False),
        sa.Column("text_hash", HASH, nullable=False),
        sa.Column("canonical_id", KEY, nullable=True),
        sa.ForeignKeyConstraint(
            ["canonical_id"], ["jobs.id"], name=op.f("fk_jobs_canonical_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("external_id", name=op.f("uq_jobs_external_id")),
    )
    op.create_index("ix_jobs_canonical_id", "jobs", ["canonical_id"])
    op.create_index("ix_jobs_posted_at", "jobs", ["posted_at"])

    op.create_table(
        "tags",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("name", name=op.f("uq_tags_name")),
        sa.UniqueConstraint("position", name=op.f("uq_tags_position")),
    )
    op.create_table(
        "events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("candidate_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=True),
        sa.Column("fields", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["candidates.id"],
            name=op.f("fk_events_candidate_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_events_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("key", name=op.f("uq_events_key")),
    )
    op.create_index("ix_events_candidate_id_occurred_at", "events", ["candidate_id", "occurred_at"])
    op.create_index("ix_events_job_id", "events", ["job_id"])

    op.create_table(
        "job_bands",
        sa.Column("band", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_bands_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("band", "job_id", name=op.f("pk_job_bands")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_job_bands_job_id", "job_bands", ["job_id"])

    op.create_table(
        "job_codes",
        sa.Column("code_version_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("code", BYTES, nullable=False),
        sa.ForeignKeyConstraint(
            ["code_version_id"],
            ["code_versions.id"],
            name=op.f("fk_job_codes_code_version_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_codes_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_version_id", "job_id", name=op.f("pk_job_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_job_codes_job_id", "job_codes", ["job_id"])

    op.create_table(
        "labels",
        sa.Column("id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("tag_id", KEY, nullable=False),
        sa.Column("labeller", sa.String(length=200), nullable=False),
        sa.Column("source", one_of("import", "person", "referee", name="source"), nullable=False),
        sa.Column("before", one_of("yes", "no", "unsure", name="before"), nullable=True),
        sa.Column("after", one_of("yes", "no", "unsure", name="after"), nullable=True),
        sa.Column("undoes_id", KEY, nullable=True),
        sa.Column("labelled_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_labels_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_labels_tag_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["undoes_id"], ["labels.id"], name=op.f("fk_labels_undoes_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
    )
    op.create_index("ix_labels_job_id_tag_id_labeller", "labels", ["job_id", "tag_id", "labeller"])
    op.create_index("ix_labels_tag_id", "labels", ["tag_id"])

    op.create_table(
        "tag_aliases",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("tag_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_tag_aliases_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tag_aliases")),
    )
    op.create_index("ix_tag_aliases_tag_id", "tag_aliases", ["tag_id"])
