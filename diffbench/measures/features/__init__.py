"""Feature spaces in which quality is measured: pixels, PCA, a classifier's layer, an external encoder."""
