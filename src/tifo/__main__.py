"""`python -m tifo` is the command line."""

from tifo.app.cli.main import main

main()
