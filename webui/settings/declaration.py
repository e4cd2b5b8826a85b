"""The settings: each leaf says its type, bounds, label, help and (where it has one) its flag."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from webui.contract.fields import Frozen, Leaf, Param

Text = Annotated[str, StringConstraints(max_length=4096)]


@dataclass(frozen=True)
class Flag:
    """A launch flag of its own; `sets` is the value it gives, None where it takes one.

    Where it is given several times, `more` is the path of the leaf that takes all but the first.
    `also` are other spellings, those of the older UI among them.
    """

    name: str
    sets: bool | None = None
    metavar: str | None = None
    more: str = ""
    also: tuple[str, ...] = ()


def flag_of(leaf: Leaf) -> Flag | None:
    """The launch flag that a leaf declares for itself."""
    return next((note for note in leaf.info.metadata if isinstance(note, Flag)), None)


OLDER_DIRS = (
    "--vae-dir", "--lora-dir", "--lyco-dir-backcompat", "--embeddings-dir", "--controlnet-dir",
    "--text-encoder-dir", "--esrgan-models-path", "--realesrgan-models-path", "--dat-models-path",
    "--swinir-models-path", "--scunet-models-path", "--bsrgan-models-path",
)  # fmt: skip
"""The older UI's flags for the folder of one kind; what a file is, its header says."""


class Server(Frozen):
    """Where the page is served, and to whom."""

    host: Annotated[
        Text,
        Param("Host", "Address to listen on. Anything but this machine asks for a login."),
        Flag("--host"),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Field(ge=1, le=65535),
        Param("Port", "Port of the page and the API."),
        Flag("--port"),
    ] = 7860
    listen: Annotated[
        bool,
        Param("Listen", "Serve other machines too; without a login one is made and printed."),
        Flag("--listen", sets=True),
    ] = False
    auth: Annotated[
        Text,
        Field(repr=False, pattern=r"^$|^[^:]+:.+$"),
        Param("Login", "Name and password as name:password. Empty: no login."),
        Flag("--auth", metavar="USER:PASS"),
    ] = ""
    allowed_hosts: Annotated[
        tuple[Text, ...],
        Param("Allowed hosts", "Further names that browsers may call this server by."),
    ] = ()
    cors_origins: Annotated[
        tuple[Text, ...],
        Param("CORS origins", "Other sites whose pages may use the API from a browser."),
    ] = ()
    subpath: Annotated[
        Text,
        Field(pattern=r"^$|^/[A-Za-z0-9._~/-]*[^/]$"),
        Param("Subpath", "Path in front of every address when a proxy serves us below one."),
    ] = ""
    open_browser: Annotated[
        bool,
        Param("Open browser", "Open the page in the browser when it is ready."),
        Flag("--no-browser", sets=False),
    ] = True

    @property
    def bind_host(self) -> str:
        """The address to bind: `listen` widens this machine's own to all."""
        return "0.0.0.0" if self.listen and is_loopback(self.host) else self.host

    @property
    def local_only(self) -> bool:
        """Whether only programs on this machine can connect."""
        return is_loopback(self.bind_host)


class Folders(Frozen):
    """Where things lie; a relative path in the file counts from the file's folder."""

    config_file: Annotated[
        Path,
        Param("Settings file", "The file that the settings are read from and kept in."),
        Flag("--config", metavar="FILE"),
    ] = Path("config.json")
    data_dir: Annotated[
        Path,
        Param(
            "Data folder",
            "Jobs, uploaded pictures and caches. Given by flag or environment, "
            "it takes the outputs and the settings file along.",
        ),
        Flag("--data-dir", metavar="DIR"),
    ] = Path(".data")
    models_dir: Annotated[
        Path,
        Param(
            "Models folder",
            "Checkpoints and other model files. As a flag it may be repeated: "
            "new files go into the first folder, the others are read.",
        ),
        Flag("--models-dir", metavar="DIR", more="folders.more_models_dirs"),
    ] = Path("models")
    more_models_dirs: Annotated[
        tuple[Path, ...],
        Param("Further models folders", "They are read besides and never written to."),
        Flag("--ckpt-dir", metavar="DIR", more="folders.more_models_dirs", also=OLDER_DIRS),
    ] = ()
    a1111_home: Annotated[
        Path | None,
        Param(
            "Older installation",
            "Folder of an installation of the older web UI, whose models, styles and defaults "
            "are used where they lie. Nothing is written there.",
        ),
        Flag("--a1111-home", metavar="DIR"),
    ] = None
    outputs_dir: Annotated[
        Path,
        Param("Outputs folder", "Finished pictures."),
        Flag("--outputs-dir", metavar="DIR"),
    ] = Path("outputs")
    extensions_dir: Annotated[
        Path,
        Param("Extensions folder", "Each folder in it is an extension."),
        Flag("--extensions-dir", metavar="DIR"),
    ] = Path("extensions")


class Saving(Frozen):
    """How pictures become files."""

    format: Annotated[
        Literal["png", "jpg", "webp", "avif"],
        Param("File format", "PNG is lossless; every format carries the infotext."),
    ] = "png"
    quality: Annotated[
        int, Field(ge=1, le=100), Param("Quality", "For JPEG, WebP and AVIF.", step=1)
    ] = 90
    subfolder: Annotated[
        Text, Param("Subfolder pattern", "Folder below txt2img-images or img2img-images.")
    ] = "[date]"
    filename: Annotated[Text, Param("File name pattern", "Name after the running number.")] = (
        "[seed]"
    )
    add_number: Annotated[
        bool, Param("Number the files", "Put a running number in front of the name.")
    ] = True
    enable_infotext: Annotated[
        bool, Param("Write infotext", "Write prompt and settings into the picture file.")
    ] = True


class Live(Frozen):
    """What is seen while a picture is being made."""

    preview_seconds: Annotated[
        float,
        Field(ge=0, le=60),
        Param("Preview interval", "Seconds between two previews; 0 turns them off.", step=0.1),
    ] = 0.7
    preview_size: Annotated[
        int,
        Field(ge=64, le=1024),
        Param("Preview size", "Longest side of the preview in pixels.", step=64),
    ] = 384
    preview_method: Annotated[
        Literal["auto", "full", "cheap", "taesd"],
        Param(
            "Preview method",
            "full decodes by the VAE, cheap mixes colours, taesd uses a small decoder in the "
            "folder VAE-approx. auto takes the model's own, else the small decoder, else colours.",
        ),
    ] = "auto"


class Engine(Frozen):
    """How the worker uses the machine."""

    device: Annotated[Text, Param("Device", "auto, cpu, cuda, cuda:1, mps or xpu.")] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "float16", "bfloat16"],
        Param("Precision", "Number type of the networks; auto takes what the device does best."),
    ] = "auto"
    vae_dtype: Annotated[
        Literal["auto", "float32", "float16", "bfloat16"],
        Param(
            "VAE precision",
            "Number type of the autoencoder; auto takes the network's, and float32 "
            "once that was not enough.",
        ),
    ] = "auto"
    placement: Annotated[
        Literal["auto", "full", "model", "group", "sequential"],
        Param(
            "Placement",
            "What of a model is on the GPU at a time: all, one part, one block, one layer. "
            "Less needs less of its memory and more time; auto looks at what is free.",
        ),
    ] = "auto"
    storage: Annotated[
        Literal["auto", "compute", "file", "fp8"],
        Param(
            "Weight storage",
            "How weights are kept: as they are computed with, as the file has them, or in "
            "8 bits, which changes pictures a little. auto never changes them.",
        ),
    ] = "auto"
    attention: Annotated[
        Literal["auto", "sdpa", "xformers", "flash", "sage", "sliced"],
        Param(
            "Attention",
            "What computes attention; one that is not installed or does not run here gives "
            "way to torch's own, sdpa.",
        ),
    ] = "auto"
    vae_tile_pixels: Annotated[
        int,
        Field(ge=0, le=2**26),
        Param("VAE tiling from", "Decode in tiles above this many pixels; 0 never tiles."),
    ] = 1536 * 1536
    checkpoint: Annotated[
        Text,
        Param(
            "Checkpoint",
            "The model used when a request names none. Empty: the first "
            "found, or the starter model.",
            choices="checkpoints",
        ),
    ] = ""
    keep_models: Annotated[
        int, Field(ge=1, le=16), Param("Models kept", "Checkpoints kept in memory.", step=1)
    ] = 1
    keep_warm: Annotated[
        int,
        Field(ge=0, le=16),
        Param(
            "Models kept warm",
            "Further checkpoints that stay in the machine's own memory when they leave the GPU.",
            step=1,
        ),
    ] = 0


class Limits(Frozen):
    """What the server refuses, so that one request cannot take the machine down."""

    max_pixels: Annotated[
        int,
        Field(ge=2**16, le=2**30),
        Param("Largest picture", "Pixels of an uploaded picture."),
    ] = 100_000_000
    max_upload_mb: Annotated[
        int, Field(ge=1, le=4096), Param("Largest upload", "Megabytes of one request.")
    ] = 128
    max_items: Annotated[
        int,
        Field(ge=1, le=100_000),
        Param("Items per job", "Pictures that one request may ask for."),
    ] = 1000
    max_waiting_jobs: Annotated[
        int, Field(ge=1, le=100_000), Param("Waiting jobs", "Jobs that may wait at a time.")
    ] = 1000


class Downloads(Frozen):
    """Where models are fetched from when somebody asks for it."""

    hub: Annotated[
        Text,
        Field(pattern=r"^https?://[^/?#@\s]+$"),
        Param("Hugging Face", "Address of Hugging Face, or of a mirror that gets your token too."),
    ] = "https://huggingface.co"
    civitai: Annotated[
        Text,
        Field(pattern=r"^https?://[^/?#@\s]+$"),
        Param("Civitai", "Address of Civitai, or of a mirror that gets your token too."),
    ] = "https://civitai.com"
    private_hosts: Annotated[
        tuple[Text, ...],
        Param(
            "Private hosts",
            "Hosts on this machine or in a private network that may be fetched from, as name or "
            "name:port. All others must be public.",
        ),
    ] = ()
    small_files: Annotated[
        bool,
        Param(
            "Small files",
            "Fetch a tokenizer that a model needs and that is not here, once, when it is needed.",
        ),
    ] = True


class Extensions(Frozen):
    """Which extensions are loaded."""

    safe: Annotated[
        bool, Param("Safe start", "Load no extension at all."), Flag("--safe", sets=True)
    ] = False
    disabled: Annotated[
        tuple[Text, ...], Param("Disabled", "Names of extensions that are not loaded.")
    ] = ()


class Settings(Frozen):
    """Everything that a person may set and that does not change the pixels."""

    server: Server = Server()
    folders: Folders = Folders()
    saving: Saving = Saving()
    live: Live = Live()
    engine: Engine = Engine()
    limits: Limits = Limits()
    downloads: Downloads = Downloads()
    extensions: Extensions = Extensions()


def is_loopback(host: str) -> bool:
    """Whether `host` names only this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
