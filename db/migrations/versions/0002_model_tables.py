"""Models of the tagger, how they came to be, and what they say of jobs."""

import sqlalchemy as sa
from alembic import op

from db.migrations.types import INSTANT, KEY, LONG_TEXT, one_of

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("id", KEY, nullable=False),
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("parent_id", KEY, nullable=True),
        sa.Column("code_version_id", KEY, nullable=False),
        sa.Column("codes_at", INSTANT, nullable=False),
        sa.Column("codes_drift", sa.Double(), nullable=False),
        sa.Column("snapshot", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("versions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("metrics", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("pruned_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["code_version_id"], ["code_versions.id"], name=op.f("fk_models_code_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["models.id"], name=op.f("fk_models_parent_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("folder", name=op.f("uq_models_folder")),
    )
    op.create_index("ix_models_code_version_id", "models", ["code_version_id"])
    op.create_index("ix_models_parent_id", "models", ["parent_id"])

    op.create_table(
        "batches",
        sa.Column("id", KEY, nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("state", one_of("leased", "done", "expired", name="state"), nullable=False),
        sa.Column("n_jobs", sa.Integer(), nullable=False),
        sa.Column("claimed_at", INSTANT, nullable=False),
        sa.Column("lease_until", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_batches_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index("ix_batches_model_id", "batches", ["model_id"])
    op.create_index("ix_batches_state_lease_until", "batches", ["state", "lease_until"])

    op.create_table(
        "model_aliases",
        sa.Column("alias", sa.String(length=20), nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_aliases_model_id")
        ),
        sa.PrimaryKeyConstraint("alias", name=op.f("pk_model_aliases")),
    )
    op.create_index("ix_model_aliases_model_id", "model_aliases", ["model_id"])

    op.create_table(
        "model_jobs",
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_model_jobs_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_jobs_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "job_id", name=op.f("pk_model_jobs")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_model_jobs_job_id", "model_jobs", ["job_id"])

    op.create_table(
        "model_tags",
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("tag_id", KEY, nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_tags_model_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_model_tags_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "tag_id", name=op.f("pk_model_tags")),
    )
    op.create_index("ix_model_tags_tag_id", "model_tags", ["tag_id"])

    op.create_table(
        "prediction_sets",
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("needs_review", sa.Boolean(), nullable=False),
        sa.Column("predicted_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_prediction_sets_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["models.id"],
            name=op.f("fk_prediction_sets_model_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model_id", "job_id", name=op.f("pk_prediction_sets")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_prediction_sets_job_id", "prediction_sets", ["job_id"])

    op.create_table(
        "promotions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("previous_id", KEY, nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("is_rollback", sa.Boolean(), nullable=False),
        sa.Column("promoted_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_promotions_model_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["previous_id"],
            ["models.id"],
            name=op.f("fk_promotions_previous_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    op.create_index("ix_promotions_model_id", "promotions", ["model_id"])
    op.create_index("ix_promotions_previous_id", "promotions", ["previous_id"])

    op.create_table(
        "pseudo_labels",
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("tag_id", KEY, nullable=False),
        sa.Column("answer", one_of("yes", "no", "unsure", name="answer"), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_pseudo_labels_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_pseudo_labels_model_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_pseudo_labels_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "job_id", "tag_id", name=op.f("pk_pseudo_labels")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pseudo_labels_job_id", "pseudo_labels", ["job_id"])
    op.create_index("ix_pseudo_labels_tag_id", "pseudo_labels", ["tag_id"])

    op.create_table(
        "runs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("state", one_of("running", "done", "failed", name="state"), nullable=False),
        sa.Column("lease_until", INSTANT, nullable=False),
        sa.Column("lock", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("label_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("model_id", KEY, nullable=True),
        sa.Column("error", LONG_TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_runs_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("lock", name=op.f("uq_runs_lock")),
    )
    op.create_index("ix_runs_model_id", "runs", ["model_id"])

    op.create_table(
        "predictions",
        sa.Column("model_id", KEY, autoincrement=False, nullable=False),
        sa.Column("job_id", KEY, autoincrement=False, nullable=False),
        sa.Column("tag_id", KEY, autoincrement=False, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("decision", sa.Boolean(), nullable=False),
        sa.Column("review", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "probability >= 0 AND probability <= 1", name=op.f("ck_predictions_probability")
        ),
        sa.PrimaryKeyConstraint("model_id", "job_id", "tag_id", name=op.f("pk_predictions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "queued_jobs",
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("batch_id", KEY, nullable=True),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_queued_jobs_batch_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_queued_jobs_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_queued_jobs_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "job_id", name=op.f("pk_queued_jobs")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_queued_jobs_batch_id", "queued_jobs", ["batch_id"])
    op.create_index("ix_queued_jobs_job_id", "queued_jobs", ["job_id"])
    op.create_index(
        "ix_queued_jobs_model_id_batch_id_job_id", "queued_jobs", ["model_id", "batch_id", "job_id"]
    )

    op.create_table(
        "verdicts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("challenger_id", KEY, nullable=False),
        sa.Column("champion_id", KEY, nullable=True),
        sa.Column("promoted", sa.Boolean(), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("judged_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["challenger_id"],
            ["models.id"],
            name=op.f("fk_verdicts_challenger_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["champion_id"], ["models.id"], name=op.f("fk_verdicts_champion_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_verdicts_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
    )
    op.create_index("ix_verdicts_challenger_id", "verdicts", ["challenger_id"])
    op.create_index("ix_verdicts_champion_id", "verdicts", ["champion_id"])
    op.create_index("ix_verdicts_run_id", "verdicts", ["run_id"])
