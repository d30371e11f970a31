"""Holds one driver for each kind of warehouse. A driver loads rows in one transaction; it never decides when."""
