"""Commands that people run by hand, outside the DAG."""
