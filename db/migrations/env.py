"""Run by Alembic: migrates the connection that `db.migrate` hands over."""

from alembic import context

from db.migrate import VERSION_TABLE
from db.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
