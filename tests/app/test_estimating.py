"""The memory that a request will need, against what the device has."""

from webui.app.estimating import GB, judged
from webui.contract.events import Machine
from webui.library.demand import Demand

DEMAND = Demand(
    {"network": 5 * GB, "vae": GB, "text encoders": 2 * GB},
    2 * GB,
    {"full": 10 * GB, "model": 7 * GB, "group": 2 * GB},
)


def machine(memory: int, device: str = "cuda") -> Machine:
    return Machine(device=device, dtype="float16", memory=memory * GB)


def test_what_fits_is_said_plainly() -> None:
    estimate = judged(DEMAND, machine(24), "auto", "sdxl")
    assert estimate.sentence == "sdxl needs about 10.0 GB for this; cuda has 24.0 GB."
    assert (estimate.placement, estimate.fits) == ("full", True)
    assert estimate.weights_mb == {"network": 5000, "vae": 1000, "text encoders": 2000}


def test_a_smaller_device_gets_a_smaller_placement() -> None:
    estimate = judged(DEMAND, machine(8), "auto", "sdxl")
    assert (estimate.placement, estimate.fits) == ("model", True)
    assert "7.0 GB for this, with one part of the model" in estimate.sentence
    for placement in ("group", "sequential"):
        assert judged(DEMAND, machine(24), placement, "sdxl").placement == "group"


def test_what_no_placement_fits_is_told_with_advice() -> None:
    estimate = judged(DEMAND, machine(2), "auto", "sdxl")
    assert not estimate.fits
    assert estimate.sentence.endswith("That is too little: lower the size of the picture.")
    assert not judged(DEMAND, machine(4, "cpu"), "auto", "sdxl").fits


def test_an_unknown_device_is_not_judged() -> None:
    estimate = judged(DEMAND, machine(0), "auto", "sdxl")
    assert estimate.fits
    assert estimate.sentence == "sdxl needs about 10.0 GB for this."
