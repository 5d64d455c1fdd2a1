"""The 2D laboratory: exact numbers for closed-form denoisers in the plane."""
