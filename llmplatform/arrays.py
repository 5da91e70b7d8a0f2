"""numpy, loaded with the first array: it takes 13 MB and a tenth of a second, and most processes
of the platform never make one. Types of arrays stand in quotes, or else they would load it."""

from typing import TYPE_CHECKING, Any

__all__ = ["np"]

if TYPE_CHECKING:
    import numpy as np
else:

    class _Numpy:
        """Whatever is asked of it is looked up once."""

        def __getattr__(self, name: str) -> Any:
            import numpy

            found = getattr(numpy, name)
            setattr(self, name, found)
            return found

    np = _Numpy()
