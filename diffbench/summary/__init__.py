"""Tidy tables and claims, aggregated from the files of every stage."""

TABLES = ("denoise", "memorization", "overlap", "consistency", "timescales")
"""Tables of the summary: one per stage whose files hold estimates, and time scales derived from several cells.

No pandas here: the DAG is built from it.
"""
