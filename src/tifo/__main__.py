"""`python -m tifo` is the command line."""

from tifo.app.cli import main

main()
