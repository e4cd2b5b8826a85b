"""From files to checkpoints."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny
from webui.errors import StorageError, UnsupportedModel
from webui.weights.checkpoint import Checkpoint
from webui.weights.loading import load_checkpoint


def load(path: Path) -> Checkpoint:
    return load_checkpoint(path, "cpu", torch.float32)


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def altered(source: Path, target: Path, **changes: torch.Tensor | None) -> Path:
    state = load_file(source)
    for name, tensor in changes.items():
        name = name.replace("__", ".")
        if tensor is None:
            del state[name]
        else:
            state[name] = tensor
    save_file(state, target)
    return target


def edit(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def test_a_folder_loads_whole(from_folder: Checkpoint, tiny_folder: Path) -> None:
    checkpoint = from_folder
    assert checkpoint.family.name == "sd1"
    assert (checkpoint.title, checkpoint.sha256) == ("tiny", "a" * 64)
    assert checkpoint.dtype == torch.float32
    assert checkpoint.device == torch.device("cpu")
    assert (checkpoint.defaults.width, checkpoint.defaults.height) == (64, 64)
    assert (checkpoint.latent.channels, checkpoint.latent.factor) == (4, 8)
    assert checkpoint.latent.scale == 0.18215
    assert list(checkpoint.modules) == ["unet", "vae", "text_encoder"]
    stored = load_file(tiny_folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert checkpoint.bytes > 4 * sum(t.numel() for t in stored.values())
    for name, tensor in checkpoint.network.module.state_dict().items():
        assert torch.equal(tensor, stored[name].float()), name


def test_modules_are_ready_to_run_and_not_to_train(from_folder: Checkpoint) -> None:
    for module in from_folder.modules.values():
        assert not module.training
        assert not any(p.requires_grad or p.is_meta for p in module.parameters())
        assert not any(b.is_meta for b in module.buffers())


def test_a_single_file_gives_what_diffusers_own_loader_gives(
    tiny_file: Path, from_file: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for kind, part in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae")):
        from_file.modules[part].save_config(tmp_path / part)
        oracle = kind.from_single_file(
            str(tiny_file),
            config=str(tmp_path),
            subfolder=part,
            local_files_only=True,
            torch_dtype=torch.float16,
        ).state_dict()
        ours = from_file.modules[part].state_dict()
        assert ours.keys() == oracle.keys()
        assert all(torch.equal(ours[name], oracle[name].float()) for name in ours)


def test_a_single_files_text_encoder_really_gets_its_weights(
    tiny_file: Path, from_file: Checkpoint
) -> None:
    prefix = "cond_stage_model.transformer.text_model."
    stored = {
        n.removeprefix(prefix): t
        for n, t in load_file(tiny_file).items()
        if n.startswith(prefix) and "position_ids" not in n
    }
    ours = {
        n.removeprefix("text_model."): t for n, t in from_file.text_encoders[0].state_dict().items()
    }
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name].float()) for name in ours)


def test_the_oldest_files_without_the_inner_text_model_name_load_too(
    tiny_file: Path, from_file: Checkpoint, tmp_path: Path
) -> None:
    state = {
        n.replace("transformer.text_model.", "transformer."): t
        for n, t in load_file(tiny_file).items()
    }
    save_file(state, tmp_path / "old.safetensors")
    old = load(tmp_path / "old.safetensors").text_encoders[0].state_dict()
    new = from_file.text_encoders[0].state_dict()
    assert all(torch.equal(old[name], new[name]) for name in new)


def test_a_folder_and_a_file_of_one_model_are_one_model(
    from_file: Checkpoint, tiny_folder: Path, tmp_path: Path
) -> None:
    for name, module in from_file.modules.items():
        module.save_pretrained(tmp_path / name)
    shutil.copytree(tiny_folder / "scheduler", tmp_path / "scheduler")
    shutil.copy(tiny_folder / "model_index.json", tmp_path)
    words = from_file.vocabularies[0]
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "vocab.json").write_text(json.dumps(dict(words.tokens)))
    merges = "\n".join(["#version", *(" ".join(pair) for pair in words.merges)])
    (tmp_path / "tokenizer" / "merges.txt").write_text(merges, encoding="utf-8")
    again = load(tmp_path)
    for name, module in from_file.modules.items():
        theirs = again.modules[name].state_dict()
        assert all(torch.equal(t, theirs[n]) for n, t in module.state_dict().items()), name


def test_prediction_follows_the_scheduler_or_the_marker(
    tiny_folder: Path, tiny_v_folder: Path, tiny_v_file: Path, from_file: Checkpoint
) -> None:
    assert load(tiny_v_folder).family.name == "sd1_v"
    assert load(tiny_v_file).family.name == "sd1_v"
    assert load(tiny_v_file).prediction.kind == "v_prediction"
    assert from_file.prediction.kind == "epsilon"
    assert from_file.prediction.sigma_max == pytest.approx(14.6146, abs=1e-4)
    assert from_file.prediction.sigma_min == pytest.approx(0.0292, abs=1e-4)


def test_a_yaml_beside_the_file_outranks_what_the_file_says(
    tiny_file: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(tiny_file, tmp_path / "m.safetensors"))
    path.with_suffix(".yaml").write_text(
        'model:\n  params:\n    parameterization: "v"\n', encoding="utf-8"
    )
    assert load(path).family.name == "sd1_v"


def test_a_files_own_noise_schedule_is_used(tiny_v_file: Path, tmp_path: Path) -> None:
    alphas = torch.linspace(0.999, 0.01, 1000)
    path = altered(tiny_v_file, tmp_path / "m.safetensors", alphas_cumprod=alphas)
    assert torch.equal(load(path).prediction.alphas_cumprod, alphas)
    coarse = altered(tiny_v_file, tmp_path / "n.safetensors", alphas_cumprod=alphas.half())
    assert load(coarse).prediction.sigma_max == pytest.approx(14.6146, abs=1e-4)


def test_a_zero_terminal_schedule_ends_in_noise(
    tiny_v_file: Path, tiny_v_folder: Path, tmp_path: Path
) -> None:
    marked = altered(tiny_v_file, tmp_path / "m.safetensors", ztsnr=torch.zeros(0))
    assert load(marked).prediction.sigma_max > 4000
    folder = Path(shutil.copytree(tiny_v_folder, tmp_path / "copy"))
    edit(folder / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=True)
    assert load(folder).prediction.sigma_max == load(marked).prediction.sigma_max


def test_a_card_in_the_folder_sets_the_defaults(folder: Path) -> None:
    card = {"width": 320, "steps": 12, "sampler": "euler", "unknown": 1}
    (folder / "palimpsest.json").write_text(json.dumps(card), encoding="utf-8")
    defaults = load(folder).defaults
    assert (defaults.width, defaults.height) == (320, 64)
    assert (defaults.steps, defaults.sampler, defaults.cfg_scale) == (12, "euler", 7.0)


@pytest.mark.parametrize("card", ["{", "[]", '{"width": "wide", "steps": -1, "sampler": 7}'])
def test_a_broken_card_is_left_aside_with_a_warning(
    folder: Path, card: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "palimpsest.json").write_text(card, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert load(folder).defaults.width == 64
    assert "palimpsest.json" in caplog.text


def test_half_precision_files_of_a_folder_are_found(folder: Path) -> None:
    for part, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        (folder / part / f"{name}.safetensors").rename(folder / part / f"{name}.fp16.safetensors")
    assert load(folder).dtype == torch.float32


def test_sharded_weights_are_joined(folder: Path, from_folder: Checkpoint) -> None:
    whole = folder / "unet" / "diffusion_pytorch_model.safetensors"
    state = sorted(load_file(whole).items())
    half = len(state) // 2
    shards = {"a.safetensors": dict(state[:half]), "b.safetensors": dict(state[half:])}
    for name, tensors in shards.items():
        save_file(tensors, folder / "unet" / name)
    whole.unlink()
    weight_map = {t: f"../unet/{name}" for name, tensors in shards.items() for t in tensors}
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    ours = load(folder).network.module.state_dict()
    assert all(torch.equal(t, ours[n]) for n, t in from_folder.network.module.state_dict().items())


def test_half_precision_is_kept_where_it_is_asked_for(tiny_file: Path) -> None:
    checkpoint = load_checkpoint(tiny_file, "cpu", torch.float16)
    for module in checkpoint.modules.values():
        assert {p.dtype for p in module.parameters()} == {torch.float16}
    positions = checkpoint.text_encoders[0].get_buffer("embeddings.position_ids")
    assert positions.dtype == torch.int64
    assert positions.tolist() == [list(range(77))]


def test_changing_weights_in_memory_leaves_the_file_alone(tiny_file: Path) -> None:
    before = tiny_file.read_bytes()
    checkpoint = load_checkpoint(tiny_file, "cpu", torch.float16)
    with torch.no_grad():
        next(checkpoint.network.module.parameters()).add_(1)
    assert tiny_file.read_bytes() == before


# ------------------------------------------------------------------------------------ bad models


PLACE = "model__diffusion_model__middle_block__1__proj_in__weight"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({PLACE: None}, "1 missing"),
        ({PLACE: torch.zeros(8, 8, 1, 1)}, "of another shape"),
        ({"model__diffusion_model__surprise": torch.zeros(3)}, "unknown kind"),
        ({"first_stage_model__surprise": torch.zeros(3)}, "unknown kind"),
        ({"cond_stage_model__transformer__surprise": torch.zeros(3)}, "1 unknown"),
        ({"cond_stage_model__transformer__text_model__final_layer_norm__bias": None}, "1 missing"),
    ],
)
def test_no_tensor_of_a_part_may_be_missing_or_left_over(
    tiny_file: Path, tmp_path: Path, changes: dict[str, torch.Tensor | None], words: str
) -> None:
    path = altered(tiny_file, tmp_path / "m.safetensors", **changes)
    with pytest.raises(UnsupportedModel) as caught:
        load(path)
    assert words in f"{caught.value.sentence} {caught.value.detail}"


@pytest.mark.parametrize("prefix", ["first_stage_model.", "cond_stage_model."])
def test_a_file_without_one_of_its_parts_is_refused(
    tiny_file: Path, tmp_path: Path, prefix: str
) -> None:
    state = {n: t for n, t in load_file(tiny_file).items() if not n.startswith(prefix)}
    save_file(state, tmp_path / "m.safetensors")
    with pytest.raises(UnsupportedModel, match="lacks a"):
        load(tmp_path / "m.safetensors")


def test_tensors_that_belong_to_no_part_are_reported(
    tiny_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = altered(
        tiny_file,
        tmp_path / "m.safetensors",
        stranger=torch.zeros(2),
        model_ema__something=torch.zeros(2),
        betas=torch.zeros(2),
    )
    with caplog.at_level(logging.WARNING):
        load(path)
    assert "holds 1 tensors that are not used, such as stranger" in caplog.text


def test_a_text_encoder_with_too_few_words_is_refused(tiny_file: Path, tmp_path: Path) -> None:
    name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    path = altered(
        tiny_file,
        tmp_path / "m.safetensors",
        **{name.replace(".", "__"): torch.zeros(1000, tiny.TEXT_WIDTH)},
    )
    with pytest.raises(UnsupportedModel, match="1000 words"):
        load(path)


def test_pickled_weights_are_never_opened(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit'\ntR.")
    with pytest.raises(UnsupportedModel, match="pickled"):
        load(folder)


def test_a_folder_cannot_name_a_class_of_its_own(folder: Path) -> None:
    edit(folder / "vae" / "config.json", _class_name="os.system")
    with pytest.raises(UnsupportedModel, match=r"os\.system"):
        load(folder)


def test_a_folder_without_its_tokenizer_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(UnsupportedModel, match="tokenizer"):
        load(folder)


@pytest.mark.parametrize(
    "name", ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"]
)
def test_a_missing_or_broken_json_is_named(folder: Path, name: str) -> None:
    (folder / name).write_text("{", encoding="utf-8")
    with pytest.raises(UnsupportedModel, match=Path(name).name):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(UnsupportedModel, match=Path(name).name):
        load(folder)


@pytest.mark.parametrize(
    "change", [{"prediction_type": "sample"}, {"beta_schedule": "squaredcos_cap_v2"}]
)
def test_an_unknown_noise_schedule_is_refused(folder: Path, change: dict[str, str]) -> None:
    edit(folder / "scheduler" / "scheduler_config.json", **change)
    with pytest.raises(UnsupportedModel, match=next(iter(change.values()))):
        load(folder)


def test_a_truncated_file_says_so(tiny_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(tiny_file.read_bytes()[:-1000])
    with pytest.raises(UnsupportedModel, match="cut short"):
        load(path)


def test_a_file_that_is_gone_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        load(tmp_path / "gone.safetensors")


def test_loading_never_opens_a_connection(
    tiny_folder: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert load(tiny_folder) and load(tiny_file)
