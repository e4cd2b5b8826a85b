"""The keys to one's accounts: from the environment or from files, never from the settings.

A token is never logged, shown or written; it goes to the site that gave it and to no other.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

NAMES: Mapping[str, tuple[str, ...]] = {
    "hub": ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
    "civitai": ("CIVITAI_TOKEN", "CIVITAI_API_TOKEN"),
}
FILE = "tokens.env"
"""In the data folder: lines such as HF_TOKEN=..., for those who set no environment."""
LARGEST = 10_000


def find_token(site: str, data_dir: Path, environment: Mapping[str, str] = os.environ) -> str:
    """The token for `site`, "" where there is none.

    The environment comes first, then our file, then what Hugging Face's own login left behind.
    """
    names = NAMES.get(site, ())
    told = _read_lines(data_dir / FILE)
    for source in (environment, told):
        for name in names:
            if token := _clean(source.get(name, "")):
                return token
    if site == "hub":
        home = environment.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
        return _clean(_text(Path(environment.get("HF_TOKEN_PATH") or Path(home) / "token")))
    return ""


def _read_lines(path: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in _text(path).splitlines())
    return {name.strip(): value.strip().strip("\"'") for name, _, value in lines}


def _text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            return ""
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""


def _clean(token: str) -> str:
    """A token that can stand in a header; anything else counts as none."""
    token = token.strip()
    return token if token.isascii() and token.isprintable() and " " not in token else ""
