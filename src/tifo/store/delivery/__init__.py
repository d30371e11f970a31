"""The SQL implementations of delivery's contracts: cursors, undelivered events and counts."""
