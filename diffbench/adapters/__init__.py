"""From networks that predict something else, or speak another noise schedule, to denoisers D(x, sigma, label).

For the factories that a study imports: see diffbench.adapters.prediction, .schedules and .pipeline.
"""
