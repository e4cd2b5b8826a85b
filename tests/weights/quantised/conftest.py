"""Small files in the layouts that the community ships."""

from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np
import pytest

from webui.library.gguf import BLOCKS

CODES = {block.name: code for code, block in BLOCKS.items()}

WriteGguf = Callable[..., Path]


@pytest.fixture
def write_gguf(tmp_path: Path) -> WriteGguf:
    """Write a GGUF file with the package of the format's own project."""

    def write(
        tensors: Mapping[str, tuple[str, np.ndarray]],
        architecture: str = "flux",
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> Path:
        path = tmp_path / "model.gguf"
        writer = gguf.GGUFWriter(path, architecture)
        for name, shape in (shapes or {}).items():
            writer.add_array(f"comfy.gguf.orig_shape.{name}", list(shape))
        writer.add_array("tokenizer.ggml.tokens", ["a", "word", "list"])
        for name, (kind, data) in tensors.items():
            raw = None if kind == "F32" else gguf.GGMLQuantizationType(CODES[kind])
            writer.add_tensor(name, data, raw_dtype=raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write
