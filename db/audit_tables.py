"""The table of the audit log; see `db.audit_log` for how it is written."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.dialects.mysql import BINARY
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import Bytes, Id
from db.schema import Base

Sha256 = LargeBinary(32).with_variant(BINARY(32), "mysql", "mariadb")


class AuditEntry(Base):
    """One entry of the log: hashes of rows of one table, chained to the entry before.

    Entries are never changed or removed: triggers refuse it on SQLite and PostgreSQL. They hold
    numbers and hashes, no words, so that nobody has to be forgotten here.
    """

    __tablename__ = "audit_entries"
    number: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    """1, 2, 3 ... without gaps."""
    kind: Mapped[str] = mapped_column(String(20))
    """What happened; see `db.audit_log.Kind`."""
    at: Mapped[datetime]
    about: Mapped[str] = mapped_column(String(40))
    """The table whose rows it is about."""
    model_id: Mapped[int | None] = mapped_column(Id)
    """Whose predictions they are; None for rows of other tables."""
    n_rows: Mapped[int]
    first_id: Mapped[int | None] = mapped_column(Id)
    """The lowest id of a row; None where the ids are left out."""
    last_id: Mapped[int | None] = mapped_column(Id)
    """The highest."""
    row_hashes: Mapped[bytes] = mapped_column(Bytes)
    """Id (8 bytes, big-endian) and hash (32 bytes) of each row; a hash of zeros: it is gone."""
    content: Mapped[bytes] = mapped_column(Sha256)
    """SHA-256 of `row_hashes`."""
    previous: Mapped[bytes] = mapped_column(Sha256)
    """`hash` of the entry before; zeros in the first one."""
    hash: Mapped[bytes] = mapped_column(Sha256)
    """SHA-256 of all columns but `row_hashes`, for which `content` stands."""
