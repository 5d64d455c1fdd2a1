"""Files of the results: HDF5 and checkpoints, what they carry, and where it comes from."""
