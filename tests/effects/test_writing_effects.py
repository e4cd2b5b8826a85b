"""The extension on the page about writing effects works as it stands there."""

import re
import shutil
from pathlib import Path

import numpy as np

from tests.generation.conftest import ROOT, make_studio, pictures, pixels
from webui.contract import infotext
from webui.contract.request import ScriptCall
from webui.contract.vocabulary import builtin
from webui.plugins.manager import PluginManager

PAGE = ROOT / "webui" / "docs" / "writing-effects.md"


def test_the_example_fades_guidance_and_is_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "extensions" / "fading"
    folder.mkdir(parents=True)
    codes = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for stem, code in zip(("forms", "server", "engine"), codes, strict=True):
        (folder / f"{stem}.py").write_text(code, encoding="utf-8")
    shutil.copytree(ROOT / "models" / "starter", tmp_path / "models" / "starter")
    values = {"sampling.steps": 3, "canvas.width": 64, "canvas.height": 64, "noise.seed": 7}
    studio = make_studio(
        tmp_path / "models", tmp_path / "data", values, extensions_dir=folder.parent
    )
    server = PluginManager("server")
    server.load_folder(folder.parent)
    call = ScriptCall(name="fading", args={"amount": 0.5})
    request = studio.request({"prompt.positive": "a house"})
    (plain,) = pictures(studio.run(request))
    (faded,) = pictures(studio.run(request.model_copy(update={"effects": (call,)})))
    assert not np.array_equal(pixels(plain), pixels(faded))
    assert ", Fading: 0.5," in faded.infotext
    forms = tuple(server.effect_forms)
    assert infotext.read(faded.infotext, builtin(), effects=forms).request.effects == (call,)
