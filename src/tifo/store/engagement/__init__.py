"""Implements engagement's contracts on SQL: engine, queries, ledger audit, tokens and pictures."""
