"""What a single file says of itself in so many words."""

from webui.library.headers import Header

NAME = "file.name"
"""The metadata key under which a header is marked with its file's name."""
TITLES = (NAME, "modelspec.title", "modelspec.architecture", "general.name", "general.basename")


def says_v(header: Header) -> bool:
    """Whether a single file says that it predicts v: by a marker, or in its metadata."""
    said = (
        header.metadata.get(f"modelspec.{key}", "") for key in ("prediction_type", "predict_key")
    )
    return "v_pred" in header.tensors or any(s in ("v", "v_prediction") for s in said)


def says_name(header: Header, word: str) -> bool:
    """Whether the file's name, or a title in its metadata, holds `word`, in any letter case."""
    return any(word in header.metadata.get(key, "").lower() for key in TITLES)
