"""LoRA files in the older surface's list and among the words of requests."""

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
