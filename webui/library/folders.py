"""Which folders hold which kind of model: ours, further ones, those of an older installation.

A kind goes by several names in the tools that people use; all of them are read, in any letter
case, and the first is the one that new files go into.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from webui.library.identify import Kind

NAMES: Mapping[Kind, tuple[str, ...]] = {
    "checkpoint": ("Stable-diffusion", "checkpoints", "diffusion_models", "unet"),
    "vae": ("VAE", "VAE-approx", "VAE-taesd", "vae_approx"),
    "lora": ("Lora", "loras"),
    "lycoris": ("LyCORIS",),
    "embedding": ("embeddings",),
    "controlnet": ("ControlNet", "t2i_adapter", "control-lora"),
    "ip_adapter": ("ipadapter", "ip-adapter"),
    "upscaler": (
        "ESRGAN", "RealESRGAN", "DAT", "HAT", "SwinIR", "ScuNET", "LDSR", "BSRGAN",
        "upscale_models",
    ),
    "text_encoder": ("text_encoder", "text_encoders", "clip"),
}  # fmt: skip
OTHERS = (
    "hypernetworks", "GFPGAN", "Codeformer", "BLIP", "torch_deepdanbooru", "deepbooru", "midas",
    "karlo", "clip_vision", "insightface", "facerestore_models", "animatediff_models",
    "animatediff", "diffusers", "adetailer", "sams", "onnx",
)  # fmt: skip
"""Folders of older installations with models that nothing here can use."""
ANYWHERE = ""
"""What `place_of` says of a file that lies in no kind's folder."""
ELSEWHERE = "other"

OLDER_MODELS = ("models", "embeddings", "extensions/sd-webui-controlnet/models")
"""Where the older web UI keeps its models, below its own folder."""


def place_of(root: Path, folder: Path) -> str:
    """What the models in `folder`, below the models folder `root`, are meant to be.

    A kind; `ELSEWHERE` for what nothing here can use; `ANYWHERE` for none in particular. The
    outermost folder with a known name decides, the root itself counts last.
    """
    for name in (*folder.relative_to(root).parts, root.name):
        known = _places().get(name.casefold())
        if known is not None:
            return known
    return ANYWHERE


def folder_for(models_dir: Path, kind: Kind) -> Path:
    """Where a new file of `kind` goes: the folder that is there under one of the kind's names.

    Otherwise the first of these names, to be made; the models folder itself for kind "unknown".
    """
    names = NAMES.get(kind, ())
    for name in (*names, *(NAMES["lora"] if kind == "lycoris" else ())):
        there = _child(models_dir, name)
        if there is not None:
            return there
    return models_dir / names[0] if names else models_dir


def older_folders(home: Path) -> tuple[Path, ...]:
    """The models folders of an older installation at `home`; its files are only ever read."""
    found = (home.joinpath(*inside.split("/")) for inside in OLDER_MODELS)
    return tuple(folder for folder in found if folder.is_dir())


def model_folders(
    own: Path, more: Iterable[Path] = (), bundled: Path | None = None
) -> tuple[Path, ...]:
    """All models folders, the user's own first: where two hold one name, the earlier wins."""
    last = () if bundled is None else (bundled,)
    return tuple(dict.fromkeys(folder.resolve() for folder in (own, *more, *last)))


def base_name(root: Path, path: Path) -> str:
    """A model's name below `root`: its path with forward slashes, without its kind's folder."""
    relative = path.relative_to(root)
    first, *rest = relative.parts
    if rest and first.casefold() in _places():
        return "/".join(rest)
    return relative.as_posix()


def _child(folder: Path, name: str) -> Path | None:
    try:
        children: Sequence[Path] = sorted(folder.iterdir())
    except OSError:
        return None
    wanted = name.casefold()
    return next((c for c in children if c.name.casefold() == wanted and c.is_dir()), None)


def _places() -> dict[str, str]:
    known = {name.casefold(): kind for kind, names in NAMES.items() for name in names}
    return {**dict.fromkeys(map(str.casefold, OTHERS), ELSEWHERE), **known}
