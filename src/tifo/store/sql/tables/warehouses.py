"""Declares the tables of settled names: which table an event has, and which column a key, by source."""

from sqlalchemy import BigInteger, Boolean, Column, Float, String, Table, Text, UniqueConstraint

from tifo.store.sql.tables.metadata import METADATA, POSITION

named_tables = Table(
    "named_tables",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("events", Text, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("made_at", BigInteger),  # None: the name waits until it has proved itself
    Column("seen", Text, nullable=False),
    Column("waited", Boolean, nullable=False),
)

named_columns = Table(
    "named_columns",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("source_id", String, nullable=False),
    Column("table_name", String, nullable=False),
    # The keys' digest: a key may be longer than what PostgreSQL indexes.
    Column("digest", String, nullable=False),
    Column("path", Text, nullable=False),
    Column("name", String, nullable=False),
    # The first writer wins: no other key of the table gets the column, and no key a second one.
    UniqueConstraint("source_id", "table_name", "digest"),
    UniqueConstraint("source_id", "table_name", "name"),
)

name_allowances = Table(
    "name_allowances",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("table_name", String, primary_key=True),
    Column("left", Float, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""What is left of a table's budget for columns, and under the name of no table of the budget for tables."""
