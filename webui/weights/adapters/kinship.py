"""Whether an adapter and a model are of one family: half of a stranger must not be applied."""

from webui.weights.families import ModelFamily

LABELS = {
    "sd1": "Stable Diffusion 1.x",
    "sd2": "Stable Diffusion 2.x",
    "sdxl": "SDXL",
    "sdxl_refiner": "the refiner of SDXL",
    "sd3": "Stable Diffusion 3",
    "sd35_medium": "Stable Diffusion 3.5 Medium",
    "sd35_large": "Stable Diffusion 3.5 Large",
    "flux": "FLUX",
}
"""What people call the families that the library tells adapters by."""
LARGE = "sd35_large"
SD3 = "sd3"


def is_stranger(made_for: str, family: ModelFamily) -> bool:
    """Whether an adapter of the family `made_for`, "" for an unknown one, is for other models.

    Where either family is one that nobody knows, names and shapes decide later.
    """
    if made_for not in LABELS or family.base not in LABELS:
        return False
    if made_for.startswith(SD3) and family.base == SD3:  # Large has other widths and more blocks
        return (made_for == LARGE) != (family.name == LARGE)
    return made_for != family.base


def refusal(name: str, made_for: str, family: ModelFamily, title: str) -> str:
    """Why such an adapter does nothing, as a sentence."""
    return (
        f"{name} is made for {LABELS[made_for]}, but {title} is a model of {family.label}: "
        "it is left out."
    )
