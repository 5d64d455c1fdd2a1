"""Laws of the field beside the five claims, judged in the same way from a study's tables; a module per law."""
