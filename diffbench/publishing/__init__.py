"""Results made ready to be published: one archive that says what it holds, who made it and how."""
