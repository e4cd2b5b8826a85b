"""LoRA files and embeddings in the older surface's lists and among the words of requests."""

import torch
from fastapi.testclient import TestClient
from safetensors.torch import save_file

from webui.app.house import House


def test_a_new_lora_is_listed_with_what_its_trainer_wrote(client: TestClient, house: House) -> None:
    folder = house.settings.get().folders.models_dir / "Lora"
    folder.mkdir(exist_ok=True)
    said = {"ss_output_name": "Evening", "ss_network_dim": "4"}
    save_file({"lora_unet_x.alpha": torch.ones(1)}, folder / "wash.safetensors", said)
    (folder / "broken.safetensors").write_bytes(b"")
    client.post("/sdapi/v1/refresh-loras")
    listed = {entry["name"]: entry for entry in client.get("/sdapi/v1/loras").json()}
    assert listed["wash"] == {
        "name": "wash",
        "alias": "Evening",
        "path": str(folder.resolve() / "wash.safetensors"),
        "metadata": said,
    }
    assert listed["broken"]["alias"] == "broken"
    assert listed["broken"]["metadata"] == {}
    assert {word.id for word in house.words()["loras"]} >= {"wash", "broken"}


def test_embeddings_are_listed_by_whether_they_fit(client: TestClient, house: House) -> None:
    models = house.settings.get().folders.models_dir
    (models / "embeddings").mkdir(exist_ok=True)
    for name, width in (("polarnight", 128), ("bigword", 1024)):
        save_file(
            {"emb_params": torch.ones(3, width)}, models / "embeddings" / f"{name}.safetensors"
        )
    client.post("/sdapi/v1/refresh-embeddings")
    found = client.get("/sdapi/v1/embeddings").json()
    told = {place: list(names) for place, names in found.items()}
    assert told == {"loaded": ["polarnight"], "skipped": ["bigword"]}  # beside the starter model
    everything = found["loaded"] | found["skipped"]
    assert everything["bigword"] == {
        "step": None, "sd_checkpoint": None, "sd_checkpoint_name": None,
        "shape": 1024, "vectors": 3,
    }  # fmt: skip
    assert {word.id for word in house.words()["embeddings"]} >= {"polarnight", "bigword"}
