"""A log of hashes that can't be changed unseen, and what it takes to train a model once more."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from db.migrations.types import BYTES, HASH, INSTANT, KEY

revision = "0006"
down_revision = "0005"

SHA256 = sa.LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")
RANDOM = {
    "sqlite": "randomblob(16)",
    "postgresql": "decode(replace(gen_random_uuid()::text, '-', ''), 'hex')",
    "mysql": "random_bytes(16)",
    "mariadb": "random_bytes(16)",
}
REFUSED = "the audit log is append-only"


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("number", KEY, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("about", sa.String(length=40), nullable=False),
        sa.Column("model_id", KEY, nullable=True),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("first_id", KEY, nullable=True),
        sa.Column("last_id", KEY, nullable=True),
        sa.Column("row_hashes", BYTES, nullable=False),
        sa.Column("content", SHA256, nullable=False),
        sa.Column("previous", SHA256, nullable=False),
        sa.Column("hash", SHA256, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_entries")),
    )
    database = op.get_bind().dialect.name
    for statement in {"sqlite": _on_sqlite(), "postgresql": _on_postgresql()}.get(database, []):
        op.execute(statement)
    # A default, so that rows which are there can get the column; then each gets a salt of its own.
    op.add_column("jobs", sa.Column("salt", HASH, nullable=False, server_default=sa.text("''")))
    op.execute(f"UPDATE jobs SET salt = {RANDOM[database]}")
    op.add_column("runs", sa.Column("inputs", sa.JSON(none_as_null=True), nullable=True))


def _on_sqlite() -> list[str]:
    return [
        f"CREATE TRIGGER audit_entries_no_{what} BEFORE {what} ON audit_entries "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        for what in ("update", "delete")
    ]


def _on_postgresql() -> list[str]:
    refuse = "EXECUTE FUNCTION refuse_audit_change()"
    return [
        "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$",
        "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries "
        f"FOR EACH ROW {refuse}",
        "CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries "
        f"FOR EACH STATEMENT {refuse}",
    ]
