"""Whole downloads: from an order to a model in its folder, in a process of its own."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import save

from tests.library.download.serving import Answer, Site, as_json, serve, whole
from webui.errors import Conflict, NotFound, StorageError, UnsupportedModel, WebuiError
from webui.library.cards import CardBook
from webui.library.catalog import Catalog
from webui.library.download import parts
from webui.library.download.child import bring
from webui.library.download.client import Sites
from webui.library.download.desk import Desk
from webui.library.download.filing import Filed
from webui.library.download.orders import Order, Wanted
from webui.library.download.process import accept
from webui.library.hashes import HashCache
from webui.library.lane import Work

LORA = save(
    {
        "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": torch.zeros(4, 1280, 1, 1),
        "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": torch.zeros(1280, 4, 1, 1),
        "lora_unet_mid_block_attentions_0_proj_in.alpha": torch.tensor(4.0),
    }
)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def order_of(site: Site, *names: str, body: bytes = LORA, **more: object) -> Order:
    sha256 = hashlib.sha256(body).hexdigest()
    files = tuple(
        Wanted(url=f"{site.base}/{name}", name=name, size=len(body), sha256=sha256)
        for name in names
    )
    for name in names:
        site.answers.setdefault(f"/{name}", whole(body))
    return Order(title="x", source=site.base, files=files, **more)  # pyright: ignore


def brought(site: Site, models: Path, order: Order) -> Filed:
    place = accept(order, models)
    return bring(place, models, Sites(private_hosts=(site.host,)), pause=0)


def lying(models: Path) -> set[str]:
    return {p.relative_to(models).as_posix() for p in models.rglob("*") if p.is_file()}


def test_a_file_goes_where_its_header_says_whatever_the_site_called_it(
    site: Site, models: Path
) -> None:
    filed = brought(site, models, order_of(site, "style.safetensors", kind="checkpoint"))
    assert filed.identity.kind == "lora"
    assert lying(models) == {"Lora/style.safetensors"}


def test_nothing_is_overwritten_and_the_same_file_is_not_fetched_twice(
    site: Site, models: Path
) -> None:
    (models / "Lora").mkdir()
    (models / "Lora" / "style.safetensors").write_bytes(b"mine")
    brought(site, models, order_of(site, "style.safetensors", kind="lora"))
    assert lying(models) == {"Lora/style.safetensors", "Lora/style (2).safetensors"}
    assert (models / "Lora" / "style.safetensors").read_bytes() == b"mine"
    (models / "Lora" / "style.safetensors").write_bytes(LORA)
    with pytest.raises(Conflict, match="already"):
        brought(site, models, order_of(site, "style.safetensors", kind="lora"))


def test_one_order_is_fetched_by_one_process_at_a_time(site: Site, models: Path) -> None:
    place = accept(order_of(site, "style.safetensors"), models)
    with (
        FileLock(place.with_name(f"{place.name}.lock")),
        pytest.raises(Conflict, match="another process"),
    ):
        bring(place, models, Sites(private_hosts=(site.host,)))
    assert site.asked == []
    bring(place, models, Sites(private_hosts=(site.host,)))
    assert lying(models) == {"Lora/style.safetensors"}


def test_what_the_site_tells_stands_on_the_card(site: Site, models: Path, tmp_path: Path) -> None:
    told = {
        "trainedWords": ["neon style"], "description": "Less <b>contrast</b>",
        "baseModel": "SD 1.5", "model": {"tags": ["light"]},
    }  # fmt: skip
    brought(site, models, order_of(site, "style.safetensors", told=told))
    catalog = Catalog([models], HashCache(tmp_path / "hashes.json"))
    (card,) = CardBook(catalog.shelf, tmp_path / "cards.json").search("lora").cards
    assert (card.activation, card.base, card.tags) == ("neon style", "SD 1.5", ("light",))
    assert card.description == "Less contrast"


def test_a_pickle_goes_to_the_converters_list_and_is_not_opened(
    site: Site, models: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    body = f"\x80\x02cos\nsystem\n(S'touch {canary}'\ntR.".encode("latin-1")
    filed = brought(site, models, order_of(site, "old.pt", body=body, kind="embedding"))
    assert filed.pickled
    assert lying(models) == {"embeddings/old.pt"}
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.safetensors", b"\x80\x02cos\nsystem\n."),
        ("a.safetensors", b"PK\x03\x04" + b"x" * 90),
        ("a.safetensors", b"<html>please log in</html>"),
        ("a.safetensors", LORA[:-5]),
        ("a.safetensors", LORA + b"more"),
        ("a.gguf", b"GGUF" + b"\xff" * 60),
        ("a.ckpt", b"<html>please log in</html>"),
    ],
)
def test_what_is_no_model_is_refused_and_leaves_nothing(
    site: Site, models: Path, name: str, body: bytes
) -> None:
    with pytest.raises(UnsupportedModel):
        brought(site, models, order_of(site, name, body=body))
    assert lying(models) == set()


def test_a_folder_arrives_as_a_whole_or_not_at_all(site: Site, models: Path) -> None:
    wanted = [
        Wanted(url=f"{site.base}/unet", name="unet/diffusion_pytorch_model.safetensors"),
        Wanted(url=f"{site.base}/index", name="model_index.json"),
    ]
    site.answers["/unet"] = whole(LORA)
    order = Order(title="x", source="", folder="owner--model", files=tuple(wanted))
    with pytest.raises(WebuiError):  # the second file is not there yet
        brought(site, models, order)
    assert not (models / "Stable-diffusion").exists()
    site.answers["/index"] = as_json({})
    asked = len(site.asked)
    brought(site, models, order)
    assert [path for path, _ in site.asked[asked:]] == ["/index"]
    assert lying(models) == {f"Stable-diffusion/owner--model/{file.name}" for file in wanted}


def test_an_order_that_does_not_fit_is_not_begun(site: Site, models: Path) -> None:
    order = order_of(site, "a.safetensors")
    huge = order.files[0].model_copy(update={"size": 10**18})
    with pytest.raises(StorageError, match="MB more"):
        accept(order.model_copy(update={"files": (huge,)}), models)
    assert lying(models) == set()


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/x", "a/../../x", "CON.ckpt", "a\\b"])
def test_an_order_on_disk_cannot_lead_out_of_its_folder(name: str, models: Path) -> None:
    place = models / parts.FOLDER / "0"
    place.mkdir(parents=True)
    order = {"title": "", "source": "", "files": [{"url": "http://a/b", "name": name}]}
    (place / parts.ORDER).write_text(json.dumps(order))
    with pytest.raises(StorageError):
        parts.read_order(place)
    assert parts.unfinished(models) == ()


# ------------------------------------------------------------------------------------ the desk


def slowly(body: bytes, first: int, go: threading.Event) -> Answer:
    """The first bytes at once, the rest when the test says so."""

    def answer(handler) -> None:
        if "Range" in handler.headers:
            return whole(body)(handler)
        handler.send_response(200)
        handler.send_header("ETag", '"one"')
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:first])
        handler.wfile.flush()
        go.wait(20)
        return None

    return answer


@pytest.fixture
def make_desk(site: Site, models: Path, tmp_path: Path):
    made: list[Desk] = []

    def make() -> Desk:
        catalog = Catalog([models], HashCache(tmp_path / "hashes.json"))
        sites = Sites(private_hosts=(site.host,), data_dir=tmp_path)
        made.append(Desk(catalog, lambda: models, lambda: sites))
        return made[-1]

    yield make
    for desk in made:
        desk.close()


def ended(desk: Desk) -> Work:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        work = desk.work()
        if work is not None and work.state != "running":
            return work
        time.sleep(0.05)
    raise AssertionError("the download does not end")


def test_a_download_is_stopped_offered_again_by_the_next_server_and_gone_on_with(
    site: Site, models: Path, make_desk
) -> None:
    go = threading.Event()
    site.answers["/style.safetensors"] = slowly(LORA, 20_000, go)
    desk = make_desk()
    offer = desk.look_up(f"{site.base}/style.safetensors")
    assert [c.size for c in offer.choices] == [len(LORA)]
    with pytest.raises(NotFound):
        desk.add(offer.id, 1)
    assert desk.add(offer.id).state == "running"
    with pytest.raises(Conflict, match="wait"):
        desk.add(offer.id)
    until = time.monotonic() + 30
    while not any(p.stat().st_size for p in models.rglob("*.part")) and time.monotonic() < until:
        time.sleep(0.05)
    assert desk.unfinished() == ()
    desk.stop()
    assert ended(desk).sentence == "It was stopped."
    go.set()

    later = make_desk()
    (left,) = later.unfinished()
    assert (left.name, left.done, left.size) == ("style.safetensors", 20_000, len(LORA))
    later.resume(left.id)
    work = ended(later)
    assert (work.state, work.sentence) == ("done", "Lora/style.safetensors is here (lora).")
    assert site.ranges()[-1] == "bytes=20000-"
    assert later.unfinished() == ()
    assert lying(models) == {"Lora/style.safetensors"}


def test_an_unfinished_download_can_be_forgotten(site: Site, models: Path, make_desk) -> None:
    desk = make_desk()
    accept(order_of(site, "a.safetensors"), models)
    (left,) = desk.unfinished()
    desk.forget(left.id)
    assert lying(models) == set()
    for name in (left.id, "../..", ""):
        with pytest.raises(NotFound):
            desk.forget(name)
