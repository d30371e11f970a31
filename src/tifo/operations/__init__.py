"""Use cases, one file a noun: what the command line, the management API, the workspace file and the console do.

An operation is a function over a `Backend`. It takes and returns typed frozen values and raises the kernel's errors. It
knows no HTTP, terminal, SQL or settings; whoever calls it prints, shapes or renders the result.
"""
