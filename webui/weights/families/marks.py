"""What a single file says of itself in so many words."""

from webui.library.headers import Header


def says_v(header: Header) -> bool:
    """Whether a single file says that it predicts v: by a marker, or in its metadata."""
    said = (
        header.metadata.get(f"modelspec.{key}", "") for key in ("prediction_type", "predict_key")
    )
    return "v_pred" in header.tensors or any(s in ("v", "v_prediction") for s in said)
