"""The reference cases: requests to the older UI, and what it answered."""

import base64
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "cases"
RANDOM = ("SDE", "DPM adaptive")
"""Parts of the names of samplers whose steps hang on the finest digits."""


@dataclass(frozen=True, eq=False)
class Case:
    """One request and its answer; `latents` is what went into the last decoding, one per image."""

    name: str
    endpoint: str
    request: dict[str, Any]
    images: tuple[str, ...]
    latents: tuple[str, ...]
    infotexts: tuple[str, ...]

    @property
    def mode(self) -> Literal["txt2img", "img2img"]:
        """The community's word for this kind of request."""
        return "img2img" if self.endpoint.endswith("img2img") else "txt2img"

    @property
    def is_random(self) -> bool:
        """Whether the looser bound is for this case."""
        return any(part in self.request["sampler_name"] for part in RANDOM)

    @cached_property
    def body(self) -> dict[str, Any]:
        """The request with files in their places, as a client would post it."""
        return {name: _filled(value) for name, value in self.request.items()}

    def pictures(self) -> list[np.ndarray]:
        """The older UI's pictures, uint8 (H, W, 3)."""
        return [pixels((FOLDER / name).read_bytes()) for name in self.images]

    def texts(self) -> dict[str, np.ndarray]:
        """The encoded prompts at the first step, (parts, tokens, channels) by "cond", "uncond"."""
        stored = np.load(FOLDER / "conditioning.npz")
        sides = ("cond", "uncond")
        return {
            side: stored[f"{self.name}.{side}"].astype(np.float32)
            for side in sides
            if f"{self.name}.{side}" in stored
        }

    def latent(self) -> np.ndarray:
        """The latents before the last decoding, float32 (B, 4, H/8, W/8)."""
        return np.load(FOLDER / self.latents[-1])


def load_cases() -> tuple[Case, ...]:
    """Every case, by name."""
    return tuple(_load(path) for path in sorted(FOLDER.glob("*.json")))


def pixels(data: bytes) -> np.ndarray:
    """The pixels of an encoded picture, uint8 (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _load(path: Path) -> Case:
    told = json.loads(path.read_text(encoding="utf-8"))
    lists = {key: tuple(told[key]) for key in ("images", "latents", "infotexts")}
    return Case(path.stem, told["endpoint"], told["request"], **lists)


def _filled(value: Any) -> Any:
    if isinstance(value, list):
        return [_filled(one) for one in value]
    if isinstance(value, str) and value.startswith("@"):
        data = (FOLDER / value[1:]).read_bytes()
        return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    return value
