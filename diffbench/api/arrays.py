"""Arrays that programs hand over: of numpy, of torch on any device, lists."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffbench.conventions import DiffbenchError


def as_array(name: str, given: ArrayLike) -> NDArray[np.generic]:
    """What was given as an array of numpy; bfloat16, which numpy lacks, as float32. DiffbenchError if it is none."""
    values: Any = given
    if hasattr(values, "detach"):  # a tensor of torch, which is not imported for those who have none
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DiffbenchError(f"{name}: no array of numbers ({' '.join(str(error).split())})") from None
