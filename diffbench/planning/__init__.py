"""What a study costs on this machine, before it runs."""
