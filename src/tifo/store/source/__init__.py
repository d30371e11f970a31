"""Implements the source's contracts on SQL: facts, webhooks in and out, and segment actions."""
