"""One module a revision, `rNNNN.py`: released ones never change."""
