"""Every room shares these: ids, the clock, the error root, JSON types, names. It never does I/O."""
