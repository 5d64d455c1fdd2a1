"""Feature spaces in which the quality of samples is measured: pixels, PCA, a classifier's layer, a foreign encoder."""
