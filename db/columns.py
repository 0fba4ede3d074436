"""What columns hold: their types on each database, the words of the enums, names of constraints."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Dialect, Enum, ForeignKey, LargeBinary, Text, TypeDecorator
from sqlalchemy import DateTime as SqlDateTime
from sqlalchemy.dialects.mysql import BINARY, DATETIME, LONGBLOB, LONGTEXT
from sqlalchemy.dialects.sqlite import INTEGER
from sqlalchemy.orm import Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

MAX_ID = 255
"""Longest external id, in characters."""
MAX_NAME = 200
"""Longest name of a tag, a labeller or a worker, in characters."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: goes in with any time zone, comes out in UTC, to the microsecond."""

    impl = SqlDateTime(timezone=True).with_variant(DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


Id = BigInteger().with_variant(INTEGER(), "sqlite")  # SQLite numbers only INTEGER by itself
LongText = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
Hash = LargeBinary(16).with_variant(BINARY(16), "mysql", "mariadb")
Bytes = LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")


class Answer(StrEnum):
    """What a person says of a tag on a job."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


class Source(StrEnum):
    """Where a label comes from; a later one in this list counts more than an earlier one."""

    IMPORT = "import"
    PERSON = "person"
    REFEREE = "referee"
    """A person who settled what others disagreed on."""


class WordVerdict(StrEnum):
    """What a person, or a file, says of a word and a tag."""

    FOR = "for"
    """It speaks for the tag."""
    AGAINST = "against"
    REJECTED = "rejected"
    """Looked at, and of no use."""


class LabelBatchState(StrEnum):
    """What becomes of the labels of a batch."""

    NEW = "new"
    """Not looked at yet: the next retrain does, before it learns from them."""
    USED = "used"
    """They hold: models learn from them."""
    HELD = "held"
    """They don't hold, as if they had never been given, until somebody releases them."""


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class BatchState(StrEnum):
    LEASED = "leased"
    DONE = "done"
    EXPIRED = "expired"


class ListOf(StrEnum):
    """Whose list a recommendation stands in."""

    CANDIDATE = "candidate"
    """Jobs for a candidate."""
    JOB = "job"
    """Candidates to invite for a job."""


def enum(kind: type[StrEnum], name: str) -> Enum:
    """Strings with a named check: no type of its own that a migration would have to alter."""
    return Enum(
        kind,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=True,
        length=20,
        name=name,
    )


def numbered() -> Mapped[int]:
    """A primary key that the database numbers."""
    return mapped_column(Id, primary_key=True)


def belongs(column: str, **options: Any) -> Mapped[Any]:
    """A foreign key whose row goes with what it belongs to."""
    return mapped_column(Id, ForeignKey(column, ondelete="CASCADE"), **options)
