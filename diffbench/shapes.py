"""Shapes in signatures, such as `Float[np.ndarray, "n d"]`: jaxtyping's where someone reads them, else nothing.

Type checkers and the tests read them; pytest's plugin has imported jaxtyping before any module of the package. A stage
reads none, and importing jaxtyping would cost it 50 ms: there `Float[T, "..."]` is T.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Complex128, Float, Float32, Float64, Int, Int64, Real, Shaped, UInt8
else:

    class _Unread:
        def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
            return item[0]

    Bool = Complex128 = Float = Float32 = Float64 = Int = Int64 = Real = Shaped = UInt8 = _Unread

__all__ = ["Bool", "Complex128", "Float", "Float32", "Float64", "Int", "Int64", "Real", "Shaped", "UInt8"]
