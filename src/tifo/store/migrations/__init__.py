"""Holds the steps from one shape of the state's tables to the next; `store.sql.schema` runs them."""
