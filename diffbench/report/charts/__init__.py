"""Charts: figures with caption and table, drawn with one toolkit in one theme."""
