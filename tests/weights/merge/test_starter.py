"""A merge of a real model with a relative: it loads, and its weights are what was asked for."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from webui.app.house import BUNDLED_MODELS
from webui.contract.merging import MergeRequest
from webui.library import merging
from webui.library.catalog import Catalog
from webui.library.hashes import HashCache
from webui.library.headers import read_header
from webui.library.merging import MergeOrder, merge_models
from webui.weights.exporting import export_checkpoint
from webui.weights.loading import load_checkpoint
from webui.weights.merge import child

NETWORK = "model.diffusion_model."


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the seconds that a process of its own takes to import torch."""
    monkeypatch.setattr(
        merging,
        "run_errand",
        lambda _, arguments, *__, **___: child.merge(MergeOrder.model_validate_json(arguments[0])),
    )


def test_a_vae_in_the_names_of_diffusers_is_baked_in(tmp_path: Path) -> None:
    folder, vaes = tmp_path / "Stable-diffusion", tmp_path / "VAE"
    export_checkpoint(BUNDLED_MODELS / "starter", folder / "a.safetensors")
    vaes.mkdir()
    (stored,) = (BUNDLED_MODELS / "starter" / "vae").glob("*.safetensors")
    wanted = {n: t.float() * 2 for n, t in load_file(stored).items()}
    save_file(wanted, vaes / "twice.safetensors")
    catalog = Catalog([tmp_path], HashCache(tmp_path / "hashes.json"))
    asked = MergeRequest(primary="a", method="none", vae="twice", precision="fp32")
    merged = merge_models(asked, catalog, tmp_path)
    found = load_checkpoint(merged.path, "cpu", torch.float32).vae.state_dict()
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-3)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["Stable-diffusion", "VAE"]


def test_the_starter_model_merged_with_a_relative_loads(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "Stable-diffusion"
    first, second = folder / "a.safetensors", folder / "b.safetensors"
    export_checkpoint(BUNDLED_MODELS / "starter", first)
    network = {n: t * 2 if n.startswith(NETWORK) else t for n, t in load_file(first).items()}
    save_file(network, second, dict(read_header(first).metadata))
    catalog = Catalog([tmp_path], HashCache(tmp_path / "hashes.json"))
    asked = MergeRequest(primary="a", secondary="b", multiplier=0.5, precision="fp32")
    merged = merge_models(asked, catalog, tmp_path)
    before, after = (load_checkpoint(p, "cpu", torch.float32) for p in (first, merged.path))
    mixed, kept = after.network.module.state_dict(), after.vae.state_dict()
    for name, weight in before.network.module.state_dict().items():
        torch.testing.assert_close(mixed[name], weight * 1.5)
    for name, weight in before.vae.state_dict().items():
        torch.testing.assert_close(kept[name], weight)
