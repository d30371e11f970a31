"""What every room shares: ids, the clock, the error root, JSON types, names. Never does I/O."""
