"""Implements the other rooms' contracts on SQL, and owns tables and migrations. Never holds a rule."""
