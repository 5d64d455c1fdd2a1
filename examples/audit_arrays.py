"""Samples in array files, audited for copies of training images: half of these are copies with a little noise.

python examples/audit_arrays.py [FOLDER]
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from sklearn.datasets import load_digits

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/audited")
folder.mkdir(parents=True, exist_ok=True)

rng = np.random.default_rng(0)
digits = np.asarray(load_digits(return_X_y=True)[0], np.float32).reshape(-1, 8, 8)  # (1797, 8, 8), 0 to 16
images = rng.permutation(digits / 16)
train, validation, unseen = images[:800], images[800:1200], images[1200:1300]
copies = np.clip(train[:100] + rng.normal(scale=0.02, size=(100, 8, 8)), 0, 1)
np.savez(folder / "samples.npz", images=np.concatenate([copies, unseen]).astype(np.float32))
np.save(folder / "train.npy", train)
np.save(folder / "validation.npy", validation)

command = [sys.executable, "-m", "diffbench", "audit", "--json", "--samples", f"{folder}/samples.npz:images"]
command += ["--train", str(folder / "train.npy"), "--validation", str(folder / "validation.npy")]
done = subprocess.run([*command, "--out", str(folder / "audit.h5")], stdout=subprocess.PIPE, text=True, check=True)

measures = json.loads(done.stdout)
for name in ("memorized_fraction", "memorized_floor", "mem_auc", "c_t", "fd_gap"):
    found = measures[name]
    print(f"{name:<20} {found['value']:7.3f}  [{found['low']:.3f}, {found['high']:.3f}]  n = {found['n']}")

audit = xr.open_dataset(folder / "audit.h5", engine="h5netcdf")
first, second = audit["distance"].values.T  # to the nearest and second nearest training image
flagged = np.flatnonzero(first < second / 3)
print(f"{len(flagged)} samples are copies; {np.sum(flagged < 100)} of them were planted")
print(f"pairs side by side: {folder / 'audit.html'}")
