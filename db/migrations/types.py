"""Types of columns in migrations, as they were for the first tables.

They don't change with the schema: a migration that needs others defines its own.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

KEY = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
HASH = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
INSTANT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def one_of(*values: str, name: str) -> sa.Enum:
    options: dict[str, Any] = {"native_enum": False, "create_constraint": True, "length": 20}
    return sa.Enum(*values, name=name, **options)
