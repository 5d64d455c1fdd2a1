"""Results of a study as tables and arrays, and a chart of one's own. The cells run in a notebook or from top to bottom.

The folder comes from the environment: RESULTS=results/digits python examples/open_results.py
"""

# %% Every estimate of the study: one row per cell, noise level and measure, with its interval and the number behind it
import os

import altair as alt

import diffbench

results = diffbench.load_results(os.environ.get("RESULTS", "results/digits"))
losses, samples = results.table("denoise"), results.table("memorization")
factors = list(results.cells.columns)  # model, train_size, granularity, seed, step, guidance

# %% One measure beside its floor: the same number for held-out images as if they had been generated
named = samples[samples["measure"].isin(["memorized_fraction", "memorized_floor"])]
print(named.pivot(index=factors, columns="measure", values="value").round(3))

# %% The file behind a row, with a loss for each image and noise level: which training images are known best?
cell = results.cells.iloc[0]
file = results.open("denoise", **cell)
middle = file["loss_train"].sel(sigma=0.3, method="nearest")
print(results.path("denoise", **cell), file.attrs["settings"], sep="\n")
print("best known training images:", middle.sortby(middle)["image"].values[:5])

# %% Samples in the values that the images had: what a file holds is in the units that it says
images = results.open("samples", **cell)["samples"]
raw = results.scaling.raw(images.values)
print(f"{images.attrs['units']} from {images.values.min():.2f} to {images.values.max():.2f},", end=" ")
print(f"raw from {raw.min():.1f} to {raw.max():.1f}")

# %% The denoising gap over the noise level, with its interval
gap = losses[losses["measure"] == "gap"].dropna(subset=["value"])
gap = gap.assign(run=gap["model"] + ", n = " + gap["train_size"].astype(str) + ", step " + gap["step"].astype(str))
base = alt.Chart(gap[gap["seed"] == gap["seed"].min()]).encode(x=alt.X("sigma:Q").scale(type="log"), color="run:N")
chart = base.mark_area(opacity=0.15).encode(y="low:Q", y2="high:Q") + base.mark_line().encode(y="value:Q")
chart.save(results.folder / "my-chart.html", inline=True)  # opens without a network
print("chart:", results.folder / "my-chart.html")
