"""Extensions bring kinds of models, which are loaded where no built-in row takes a file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny
from webui.contract.worker import EngineConfig
from webui.errors import UnsupportedModel
from webui.generation.entry import make_engine
from webui.weights.residency import Residency

FAMILY = """
from dataclasses import replace

from webui.plugins import hookimpl
from webui.weights.families import FAMILIES

SD1 = FAMILIES[0]

@hookimpl
def register_families():
    def own(part):
        return replace(part, prefix=f"theirs.{part.prefix}")

    encoders = tuple(own(one) for one in SD1.encoders)
    return [replace(SD1, name="theirs", label="Their kind", network=own(SD1.network),
                    vae=own(SD1.vae), encoders=encoders,
                    matches=lambda header: header.has("theirs."))]
"""


def test_a_family_of_an_extension_loads_what_no_built_in_row_takes(tmp_path: Path) -> None:
    models, extension = tmp_path / "models", tmp_path / "extensions" / "theirs"
    extension.mkdir(parents=True)
    (extension / "engine.py").write_text(FAMILY, encoding="utf-8")
    path = tiny.write_file(models / "odd.safetensors")
    state = load_file(path)
    save_file({f"theirs.{name}": tensor for name, tensor in state.items()}, path)
    engine = make_engine(
        EngineConfig(models_dir=models, data_dir=tmp_path, extensions_dir=tmp_path / "extensions")
    )
    (report,) = (one for one in engine.vocabulary().plugins if one.name == "theirs")
    assert report.hooks == ("register_families",) and not report.error
    file = engine._catalog.resolve("odd")  # type: ignore[attr-defined]
    held = engine._residency.checkpoint(file)  # type: ignore[attr-defined]
    assert held.family.name == "theirs" and held.dtype == torch.float32
    with pytest.raises(UnsupportedModel):
        Residency("cpu").checkpoint(file)
