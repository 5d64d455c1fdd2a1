"""diffbench: does a diffusion model memorize or generalize, at which noise level, and what made it so?"""

__version__ = "0.1.0"
