"""What the two sites tell becomes an offer; the shapes are those of their public APIs."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.library.download.serving import Site, as_json, redirect, serve, status, whole
from webui.contract.merging import is_file_name
from webui.errors import InvalidRequest, Unavailable
from webui.library.download.addresses import (
    CivitaiAddress,
    FileAddress,
    HubAddress,
    read_address,
)
from webui.library.download.client import Sites
from webui.library.download.orders import Find, safe_name
from webui.library.download.process import look_up

HASH = "ab" * 32


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


def find(site: Site, tmp_path: Path, address: str, plays: str = "hub") -> Find:
    """`site` plays one of the two, or "" for any other."""
    bases = {plays: site.base} if plays else {}
    sites = Sites(**bases, private_hosts=(site.host,), data_dir=tmp_path)
    return look_up(address, sites, tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("owner/model", HubAddress("owner/model")),
        ("owner/model@v1.0", HubAddress("owner/model", "v1.0")),
        ("hf:owner/model", HubAddress("owner/model")),
        ("https://huggingface.co/owner/model/", HubAddress("owner/model")),
        ("https://huggingface.co/o/m/tree/main/sub", HubAddress("o/m", "main", "sub")),
        ("https://hf.co/o/m/blob/main/a.safetensors", HubAddress("o/m", "main", "a.safetensors")),
        ("https://huggingface.co/o/m/resolve/main/d/a%20b.gguf?download=true",
         HubAddress("o/m", "main", "d/a b.gguf")),
        ("https://civitai.com/models/12/a-name", CivitaiAddress(12)),
        ("https://civitai.com/models/12?modelVersionId=34", CivitaiAddress(12, 34)),
        ("https://civitai.com/api/v1/model-versions/34", CivitaiAddress(0, 34)),
        ("https://civitai.com/api/download/models/34?type=Model&format=SafeTensor&token=secret",
         CivitaiAddress(0, 34, (("type", "Model"), ("format", "SafeTensor")))),
        ("urn:air:sdxl:checkpoint:civitai:12@34", CivitaiAddress(12, 34)),
        ("https://example.org/a.safetensors", FileAddress("https://example.org/a.safetensors")),
    ],
)  # fmt: skip
def test_addresses_are_read(text: str, found: object) -> None:
    assert read_address(text) == found


@pytest.mark.parametrize(
    "text",
    ["", "model", "a b/c", "../x", "owner/..", "https://huggingface.co/datasets/a/b",
     "https://huggingface.co/o/m/discussions/1", "https://huggingface.co/o/m/blob/main/../../x",
     "https://civitai.com/user/x", "https://civitai.com/models/x", "ftp://a/b", "C:\\a\\b"],
)  # fmt: skip
def test_what_is_no_address_of_a_model_is_told(text: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_address(text)
    assert raised.value.field == "address"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.safetensors", "a.safetensors"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\x.gguf", "x.gguf"),
        ("C:\\a\\con.safetensors", "_con.safetensors"),
        ("COM1.v2.safetensors", "_COM1.v2.safetensors"),
        (".hidden.safetensors", "hidden.safetensors"),
        ("a<b>:c|d?*.safetensors", "a_b__c_d__.safetensors"),
        ("a\u202egpj.safetensors", "agpj.safetensors"),
        ("a\x00b\n.safetensors", "ab.safetensors"),
        ("name. .safetensors", "name.safetensors"),
        ("x" * 400 + ".safetensors", "x" * 120 + ".safetensors"),
        ("", "model"),
        ("...", "model"),
        ("größe.safetensors", "größe.safetensors"),
    ],
)
def test_names_are_made_safe_for_every_system(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert is_file_name(safe_name(name))


def repository(**more: Any) -> dict[str, Any]:
    weights = {"size": 5000, "lfs": {"sha256": HASH, "size": 5000, "pointerSize": 130}}
    heavy = [
        "one.safetensors", "one.ckpt", "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors",
        "safety_checker/model.safetensors", "flax_model.msgpack",
    ]  # fmt: skip
    light = [
        "model_index.json", "README.md", "unet/config.json", "tokenizer/vocab.json",
        "tokenizer/merges.txt", "scheduler/scheduler_config.json", "evil/__init__.py",
    ]  # fmt: skip
    return {
        "id": "owner/model",
        "sha": "c0ffee",
        "tags": ["diffusers"],
        "gated": False,
        "cardData": {"license": "openrail", "base_model": ["a/base"], "instance_prompt": "sks dog"},
        "siblings": [
            *({"rfilename": name, **weights} for name in heavy),
            *({"rfilename": name, "size": 100} for name in light),
            {"rfilename": "../../outside.safetensors", "size": 1},
        ],
        **more,
    }


def test_a_repository_is_offered_as_a_folder_and_by_single_files(
    site: Site, tmp_path: Path
) -> None:
    site.answers["/api/models/owner/model"] = as_json(repository())
    found = find(site, tmp_path, "owner/model")
    offer = found.offer
    assert [c.name for c in offer.choices] == ["owner--model", "one.safetensors", "one.ckpt"]
    assert (offer.licence, offer.base, offer.words) == ("openrail", "a/base", ("sks dog",))
    assert offer.free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)
    folder, single, pickled = found.orders
    assert {file.name for file in folder.files} == {
        "model_index.json", "unet/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
        "scheduler/scheduler_config.json", "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors",
    }  # fmt: skip
    assert single.files[0].url == f"{site.base}/owner/model/resolve/c0ffee/one.safetensors"
    assert (single.files[0].sha256, single.size) == (HASH, 5000)
    assert [c.pickled for c in offer.choices] == [False, False, True]
    assert pickled.told == {}


def test_one_file_of_a_repository(site: Site, tmp_path: Path) -> None:
    site.answers["/api/models/owner/model/revision/v1"] = as_json(repository(tags=["lora"]))
    path = "vae/diffusion_pytorch_model.safetensors"
    found = find(site, tmp_path, f"{site.base}/owner/model/blob/v1/{path}")
    (order,) = found.orders
    assert (order.name, order.kind) == ("model.safetensors", "lora")
    assert order.files[0].url.endswith(path)


def test_a_repository_without_models_or_behind_terms_says_so(site: Site, tmp_path: Path) -> None:
    site.answers["/api/models/owner/model"] = as_json(repository(siblings=[]))
    with pytest.raises(InvalidRequest, match="no model file"):
        find(site, tmp_path, "owner/model")
    site.answers["/api/models/owner/model"] = as_json(repository(gated="auto"))
    assert "HF_TOKEN" in find(site, tmp_path, "owner/model").offer.notices[0]
    site.answers["/api/models/owner/model"] = status(401)
    with pytest.raises(Unavailable, match="HF_TOKEN"):
        find(site, tmp_path, "owner/model")


def civitai_version(base: str, **more: Any) -> dict[str, Any]:
    file = {"type": "Model", "sizeKB": 10.0, "pickleScanResult": "Success",
            "virusScanResult": "Success", "hashes": {"SHA256": HASH.upper()}}  # fmt: skip
    return {
        "id": 34,
        "modelId": 12,
        "name": "v2",
        "baseModel": "SDXL 1.0",
        "trainedWords": ["neon style", 7],
        "description": "<p>Less <b>contrast</b></p>",
        "model": {"name": "Neon", "type": "LORA"},
        "files": [
            {**file, "id": 1, "name": "neon.pt", "metadata": {"format": "PickleTensor"}},
            {**file, "id": 2, "name": "../neon.safetensors", "primary": True,
             "metadata": {"format": "SafeTensor"},
             "downloadUrl": f"{base}/api/download/models/34?format=SafeTensor"},
            {**file, "name": "pictures.zip", "type": "Training Data"},
            {**file, "name": "worm.safetensors", "virusScanResult": "Danger"},
        ],
        **more,
    }  # fmt: skip


MODEL = {
    "id": 12, "name": "Neon", "type": "LORA", "tags": ["style", "light"],
    "description": "<p>Neon <script>alert(1)</script>light</p>", "allowNoCredit": False,
    "allowCommercialUse": ["Image"], "allowDerivatives": True,
}  # fmt: skip


@pytest.mark.parametrize(
    "address", ["/models/12", "/models/12?modelVersionId=34", "/api/download/models/34"]
)
def test_a_model_on_civitai_is_offered(site: Site, tmp_path: Path, address: str) -> None:
    version = civitai_version(site.base)
    site.answers["/api/v1/models/12"] = as_json({**MODEL, "modelVersions": [version]})
    site.answers["/api/v1/model-versions/34"] = as_json(version)
    found = find(site, tmp_path, site.base + address, "civitai")
    offer = found.offer
    assert [c.name for c in offer.choices] == ["neon.safetensors", "neon.pt"]
    assert (offer.title, offer.base, offer.words) == ("Neon v2", "SDXL 1.0", ("neon style",))
    assert offer.licence == "commercial use: selling pictures; credit is due"
    assert "<" not in offer.about
    order = found.orders[0]
    assert (order.kind, order.size, order.files[0].sha256) == ("lora", 10240, HASH)
    assert order.told["trainedWords"] == ["neon style"]
    assert order.told["model"] == {"name": "Neon", "type": "LORA", "tags": ["style", "light"]}


def test_a_download_address_chooses_among_the_files(site: Site, tmp_path: Path) -> None:
    site.answers["/api/v1/model-versions/34"] = as_json(civitai_version(site.base))
    site.answers["/api/v1/models/12"] = as_json(MODEL)
    address = f"{site.base}/api/download/models/34?type=Model&format=PickleTensor"
    assert [c.name for c in find(site, tmp_path, address, "civitai").offer.choices] == ["neon.pt"]


def test_a_file_anywhere_is_offered_by_what_its_server_says(site: Site, tmp_path: Path) -> None:
    site.answers["/dl"] = redirect("/real")
    named = "attachment; filename*=UTF-8''a%20b.safetensors"
    site.answers["/real"] = whole(b"x" * 50, Content_Disposition=named)
    found = find(site, tmp_path, f"{site.base}/dl?key=secret", "")
    assert [(c.name, c.size) for c in found.offer.choices] == [("a b.safetensors", 50)]
    assert "secret" not in found.offer.model_dump_json()
    site.answers["/page"] = whole(b"<html>", kind="text/html")
    with pytest.raises(InvalidRequest, match="web page"):
        find(site, tmp_path, f"{site.base}/page", "")
    site.answers["/x.zip"] = whole(b"PK")
    with pytest.raises(InvalidRequest, match="not the address of a model"):
        find(site, tmp_path, f"{site.base}/x.zip", "")


@pytest.mark.parametrize("told", [[], "x", {"siblings": "x", "tags": 5, "cardData": []}])
def test_strange_answers_are_told_in_words(site: Site, tmp_path: Path, told: Any) -> None:
    site.answers["/api/models/owner/model"] = as_json(told)
    with pytest.raises((InvalidRequest, Unavailable)):
        find(site, tmp_path, "owner/model")
