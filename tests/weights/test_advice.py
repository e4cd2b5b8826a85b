"""What to ask of a model, told without torch from its header, its folder and its name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import unets
from webui.errors import UnsupportedModel, WebuiError
from webui.weights.families import FAMILIES
from webui.weights.families.advice import HINTS, advise, hinted


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unets.write_model(tmp_path_factory.mktemp("advice") / "sdxl.safetensors", "sdxl")


def named(sdxl: Path, folder: Path, name: str) -> Path:
    path = folder / f"{name}.safetensors"
    path.write_bytes(sdxl.read_bytes())
    return path


def test_a_plain_model_is_asked_for_its_familys_values(sdxl: Path) -> None:
    advice = advise(sdxl)
    assert (advice.family, advice.label) == ("sdxl", "SDXL")
    assert (advice.width, advice.height, advice.steps, advice.cfg_scale) == (1024, 1024, 20, 7.0)
    assert not advice.why and not advice.sampler


@pytest.mark.parametrize(
    ("name", "steps", "cfg", "sampler"),
    [
        ("juggernautXL_lightning", 4, 1.0, "euler"),
        ("sdxl_lightning_8step", 8, 1.0, "euler"),
        ("dreamshaperXL_v21TurboDPMSDE", 4, 1.0, "euler_a"),
        ("Hyper-SDXL-1step-Unet", 1, 1.0, "euler"),
        ("photon_lcm", 6, 1.5, "lcm"),
        ("bigasp_dmd2", 4, 1.0, "lcm"),
    ],
)
def test_a_distilled_model_is_known_by_its_name(
    sdxl: Path, tmp_path: Path, name: str, steps: int, cfg: float, sampler: str
) -> None:
    advice = advise(named(sdxl, tmp_path, name))
    assert (advice.steps, advice.cfg_scale, advice.sampler) == (steps, cfg, sampler)
    assert name in advice.why


@pytest.mark.parametrize("name", ["hyperrealism", "hyper_realistic_v3", "falcmaker", "admd"])
def test_other_names_mean_nothing(sdxl: Path, tmp_path: Path, name: str) -> None:
    assert not advise(named(sdxl, tmp_path, name)).why


def test_a_title_in_the_metadata_tells_as_well_as_a_name(tmp_path: Path) -> None:
    title = {"modelspec.title": "Some SDXL Lightning"}
    path = unets.write_model(tmp_path / "m.safetensors", "sdxl", metadata=title)
    assert advise(path).cfg_scale == 1.0


def test_a_flow_keeps_its_sampler() -> None:
    large = next(family for family in FAMILIES if family.name == "sd35_large")
    told = hinted(large.defaults, large, "sd3.5_large_turbo", "sd3.5_large_turbo")
    assert (told.steps, told.cfg_scale, told.sampler) == (4, 1.0, large.defaults.sampler)


def test_every_flux_row_says_why_it_has_no_guidance() -> None:
    for family in FAMILIES:
        assert bool(family.defaults.why) == family.name.startswith("flux")
        if family.defaults.why:
            assert family.defaults.cfg_scale == 1.0 and family.label in family.defaults.why


def test_every_value_of_a_hint_is_a_word_that_requests_know() -> None:
    from webui.contract.vocabulary import builtin, find

    words = builtin()
    for values in (*HINTS, *(family.defaults for family in FAMILIES)):
        assert not values.sampler or find(words["samplers"], values.sampler)
        assert not values.schedule or find(words["schedules"], values.schedule)


def test_a_folder_is_read_by_its_configurations(tiny_folder: Path, tmp_path: Path) -> None:
    advice = advise(tiny_folder)
    assert (advice.family, advice.width, advice.height) == ("sd1", 64, 64)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "X"}), encoding="utf-8")
    with pytest.raises(UnsupportedModel):
        advise(tmp_path)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"no model")
    with pytest.raises(WebuiError):
        advise(path)


def test_advice_needs_no_torch() -> None:
    code = "import sys, webui.weights.families.advice; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
