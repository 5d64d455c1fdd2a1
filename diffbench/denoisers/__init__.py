"""Denoisers D(x, sigma, label) -> estimate of x0: networks, the closed-form optimum, guided and stand-in models."""
