"""Launch flags of the older UI that stand for settings here, or are taken and do nothing."""

from collections.abc import Mapping
from typing import Any

MEANT: Mapping[str, tuple[str, str]] = {
    "--medvram": ("engine.placement", "model"),
    "--medvram-sdxl": ("engine.placement", "model"),
    "--lowvram": ("engine.placement", "group"),
    "--no-half": ("engine.dtype", "float32"),
    "--no-half-vae": ("engine.vae_dtype", "float32"),
    "--xformers": ("engine.attention", "xformers"),
    "--force-enable-xformers": ("engine.attention", "xformers"),
    "--opt-sdp-attention": ("engine.attention", "sdpa"),
    "--opt-sdp-no-mem-attention": ("engine.attention", "sdpa"),
    "--disable-opt-split-attention": ("engine.attention", "sdpa"),
    "--opt-split-attention": ("engine.attention", "sliced"),
    "--opt-split-attention-v1": ("engine.attention", "sliced"),
    "--opt-split-attention-invokeai": ("engine.attention", "sliced"),
    "--opt-sub-quad-attention": ("engine.attention", "sliced"),
}
"""By flag: the setting and its value."""

EMPTY = (
    "--lowram", "--upcast-sampling", "--always-batch-cond-uncond", "--disable-nan-check",
    "--skip-load-model-at-start", "--opt-channelslast",
)  # fmt: skip
"""Flags for what is always so here, or has no meaning: sampling never runs in half precision."""

PRECISIONS = {"full": "float32", "half": "float16", "autocast": "auto"}


def add_older_flags(group: Any, prefix: str) -> None:
    """Give the argparse group the older flags; values go to `prefix` and the setting's path."""
    for name, (path, value) in MEANT.items():
        group.add_argument(
            name, dest=prefix + path, action="store_const", const=value, default=None,
            help=f"as in the older UI: {path}={value}",
        )  # fmt: skip
    group.add_argument(
        "--precision", dest=prefix + "engine.dtype", type=_dtype, metavar="full|half|autocast",
        help="as in the older UI: engine.dtype",
    )  # fmt: skip
    group.add_argument(
        "--device-id", dest=prefix + "engine.device", type=_device,
        metavar="N", help="as in the older UI: engine.device=cuda:N",
    )  # fmt: skip
    for name in EMPTY:
        group.add_argument(name, dest="older:" + name, action="store_true", help="has no effect")


def _dtype(name: str) -> str:
    if name not in PRECISIONS:
        raise ValueError(name)
    return PRECISIONS[name]


def _device(number: str) -> str:
    return f"cuda:{int(number)}"
