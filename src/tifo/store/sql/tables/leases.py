"""Declares the table of leases: which process does the work that several could do."""

from sqlalchemy import BigInteger, Column, String, Table

from tifo.store.sql.tables.metadata import METADATA

leases = Table(
    "leases",
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False, index=True),
    Column("number", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
