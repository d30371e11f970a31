"""The command line: one file a noun. It reads flags, calls operations and prints their results; it holds no rule."""
