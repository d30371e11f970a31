"""Declares the registry and the types that all tables share."""

from sqlalchemy import BigInteger, Integer, MetaData

METADATA = MetaData()
"""All tables of the state. Import it from `tifo.store.sql.tables`, so that every table is registered."""
POSITION = BigInteger().with_variant(Integer, "sqlite")
"""The type of a column that counts up by itself: SQLite does so for INTEGER only."""
