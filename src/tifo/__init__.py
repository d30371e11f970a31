"""Tifo: self-hosted fan engagement whose every achievement streams, exactly once, into your warehouse."""
