"""Tidy tables and claims, aggregated from the files of every stage."""

TABLES = ("denoise", "memorization", "overlap")
"""Stages whose files hold estimates; each gives one table. No pandas here: the DAG is built from it."""
