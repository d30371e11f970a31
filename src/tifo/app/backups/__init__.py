"""Backs up a data folder while its node runs, and restores it. See docs/backup.md."""
