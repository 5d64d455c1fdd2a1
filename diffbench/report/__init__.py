"""What people read of a study: pages, made of charts, made of tables; each of the three imports to the right alone."""
