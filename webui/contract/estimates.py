"""What a request is expected to need before it runs: memory, and time."""

from webui.contract.fields import Frozen


class Estimate(Frozen):
    """Memory in megabytes: of each part's weights, beside them, and at most by placement.

    `placement` is what the present settings and device lead to, `fits` whether the device has
    that much, `sentence` both for people. `memory_mb` is 0 while the device is not known.
    `seconds` is for all pictures, None where nothing like them was made yet.
    """

    device: str
    memory_mb: int
    weights_mb: dict[str, int]
    working_mb: int
    peak_mb: dict[str, int]
    placement: str
    fits: bool
    sentence: str
    seconds: float | None = None
