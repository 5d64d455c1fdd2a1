"""A study: its grid of runs, checkpoints and cells, its checks, and where its files lie. No torch here."""
