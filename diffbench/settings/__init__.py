"""What a study file may say, typed and strict. No torch here: the DAG is built from it."""
