"""Implements delivery's contracts on SQL: cursors, undelivered events and counts."""
