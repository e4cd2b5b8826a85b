import threading
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.contract.request import Blob, GenerationRequest, Noise, Prompt, Source
from webui.contract.vocabulary import builtin
from webui.errors import StorageError
from webui.images.naming import FileNamer, NameFacts, NamePatterns
from webui.images.patterns import expand_folder, expand_name, facts_of, safe_part

NOW = datetime(2026, 11, 23, 18, 5, 9, tzinfo=UTC)
FACTS = NameFacts(
    seed=1234, first_seed=1230, last_seed=1237, prompt="a cat, in/the \\rain: (big:1.2)",
    negative_prompt="bad", styles=("Oil", "Wet"), steps=30, cfg_scale=6.5, width=640, height=384,
    sampler="DPM++ 2M", schedule="Karras", model_name="sub/model", model_hash="0123456789",
    denoising_strength=0.4, clip_skip=2, images=8, batch_size=4, batch_number=3,
    generation_number=7, user="ada", image_hash="f" * 64, now=NOW, started=NOW,
)  # fmt: skip
NASTY = [
    "..", "../../x", "..\\..\\x", "%2e%2e/x", "/etc/passwd", "C:\\x", "C:x", "\\\\host\\share",
    "NUL", "con", "CON.txt", "com1", "LPT¹.png", "aux .x", "x.", "x ", "...", ". .", "a\0b",
    "a" * 300, "\u2044etc", "x\uff0fy", "x\uff3cy", "\u202egnp.exe", "a\nb", "-rf", "~", "🐈" * 200,
    "ab\u200bc", "file.php\x00.png", "x:stream", '"><script>', "CONIN$",
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[seed]", "1234"),
        ("[seed_first]-[seed_last]", "1230-1237"),
        ("[STEPS]_[cfg]_[width]x[height]", "30_6.5_640x384"),
        ("[sampler] [scheduler]", "DPM++ 2M Karras"),
        ("[sampler_scheduler]", "DPM++ 2M Karras"),
        ("[model_name]-[model_hash]", "sub_model-0123456789"),
        ("[styles]", "Oil, Wet"),
        ("[date]", "2026-11-23"),
        ("[datetime]", "20261123180509"),
        ("[datetime<%Y-%m><Asia/Tokyo>]", "2026-11"),
        ("[datetime<%H><Asia/Tokyo>]", "03"),
        ("[datetime<%H><No/Where>]", "20261123180509"),
        ("[datetime<%Y/../../%m>]", "2026_.._.._11"),
        ("[job_timestamp]", "20261123180509"),
        ("[prompt]", "a_cat,_in_the__rain__(big_1.2)"),
        ("[prompt_spaces]", "a cat, in_the _rain_ (big_1.2)"),
        ("[prompt_words]", "a cat in the rain big 1 2"),
        ("[prompt_hash<4>]", "cda4"),
        ("[image_hash<6>]", "ffffff"),
        ("[batch_number]-[generation_number]-[batch_size]", "3-7-4"),
        ("[clip_skip] [denoising] [user]", "2 0.4 ada"),
        ("[hasprompt<cat|dog><moon|sun>]", "catsun"),
        ("[none]", ""),
        ("x[basename]-[seed]", "-1234"),
        ("[[model_name]]_[unknown]", "[sub_model]_[unknown]"),
        ("a/b", "a_b"),
    ],
)
def test_tokens_of_a_name(pattern: str, expected: str) -> None:
    import hashlib

    if pattern == "[prompt_hash<4>]":
        expected = hashlib.sha256(FACTS.prompt.encode()).hexdigest()[:4]
    assert expand_name(pattern, FACTS) == expected


def test_a_token_with_nothing_to_say_takes_its_text_away() -> None:
    single = NameFacts(seed=5, now=NOW)
    assert (
        expand_name("[seed] of [seed_last] no [batch_number] x [generation_number]", single) == "5"
    )
    assert expand_name("[prompt_words]", single) == "empty"


def test_only_a_slash_of_the_pattern_makes_a_folder() -> None:
    assert expand_folder("[date]/[prompt_spaces]", FACTS) == (
        "2026-11-23", "a cat, in_the _rain_ (big_1.2)"
    )  # fmt: skip
    assert expand_folder("../[seed]/./..", FACTS) == ("1234",)
    assert expand_folder("[datetime<%Y/../../>]", FACTS) == ("2026_.._.._",)
    assert expand_folder("", FACTS) == ()


@pytest.mark.parametrize("text", NASTY)
def test_hostile_values_stay_one_harmless_part(text: str, tmp_path: Path) -> None:
    part = safe_part(text)
    assert "/" not in part
    assert "\\" not in part
    assert len(part) <= 129
    assert part == part.strip(" ").rstrip(".")
    assert not PureWindowsPath(part).drive
    assert part.split(".")[0].rstrip().casefold() not in {"nul", "con", "aux", "com1", "conin$"}
    namer = FileNamer(
        tmp_path, NamePatterns(folder="[prompt_spaces]/[model_name]", name="[prompt]")
    )
    facts = NameFacts(prompt=text, model_name=text, now=NOW)
    path = namer.path_for("txt2img", facts)
    target = tmp_path / path
    target.parent.mkdir(parents=True)
    target.write_bytes(b"")
    assert target.resolve().is_relative_to((tmp_path / "txt2img-images").resolve())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_becomes_a_part_that_is_safe_and_stays_so(text: str) -> None:
    part = safe_part(text)
    assert not set(part) & set('/\\:*?"<>|\n\r\t\0')
    assert part not in (".", "..")
    assert safe_part(part) == part


def test_names_are_those_of_the_older_ui(tmp_path: Path) -> None:
    namer = FileNamer(tmp_path)
    assert namer.path_for("txt2img", FACTS) == PurePosixPath(
        "txt2img-images/2026-11-23/00000-1234.png"
    )
    assert namer.path_for("img2img", FACTS, "jpg") == PurePosixPath(
        "img2img-images/2026-11-23/00000-1234.jpg"
    )
    assert namer.path_for("txt2img", FACTS, kind="grid") == PurePosixPath(
        "txt2img-grids/2026-11-23/grid-0000.png"
    )
    assert namer.path_for("txt2img", FACTS, kind="grid").name == "grid-0001.png"


def test_the_number_is_one_above_the_highest_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "txt2img-images" / "2026-11-23"
    folder.mkdir(parents=True)
    for name in ("00003-1.png", "00041-7.jpg", "x-99999.png", "00042", "12abc.png", ".00077.part"):
        (folder / name).write_bytes(b"")
    namer = FileNamer(tmp_path)
    assert namer.path_for("txt2img", FACTS).name == "00043-1234.png"
    assert namer.path_for("txt2img", FACTS).name == "00044-1234.png"


def test_names_given_before_a_restart_are_not_given_again(tmp_path: Path) -> None:
    first = FileNamer(tmp_path).path_for("txt2img", FACTS)
    namer = FileNamer(tmp_path)
    namer.reserve([first])
    assert namer.path_for("txt2img", FACTS).name == "00001-1234.png"
    namer.release(first)
    assert namer.path_for("txt2img", FACTS).name == "00002-1234.png"


@pytest.mark.parametrize("add_number", [True, False])
def test_concurrent_callers_never_get_the_same_name(tmp_path: Path, add_number: bool) -> None:
    namer = FileNamer(tmp_path, NamePatterns(add_number=add_number))
    given_names: list[PurePosixPath] = []

    def take() -> None:
        for _ in range(25):
            given_names.append(namer.path_for("txt2img", FACTS))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given_names)) == 200


def test_without_numbers_a_taken_name_gets_a_suffix(tmp_path: Path) -> None:
    namer = FileNamer(tmp_path, NamePatterns(folder="", name="[prompt_words]", add_number=False))
    facts = NameFacts(prompt="Cat", now=NOW)
    (tmp_path / "txt2img-images").mkdir()
    (tmp_path / "txt2img-images" / "cat.png").write_bytes(b"")
    names = [namer.path_for("txt2img", facts).name for _ in range(3)]
    assert names == ["Cat-1.png", "Cat-2.png", "Cat-3.png"]


def test_an_empty_decoration_leaves_the_number(tmp_path: Path) -> None:
    namer = FileNamer(tmp_path, NamePatterns(name="[none]", add_number=False))
    assert namer.path_for("txt2img", FACTS).name == "00000.png"


def test_a_hint_is_the_name(tmp_path: Path) -> None:
    namer = FileNamer(tmp_path)
    names = [namer.path_for("img2img", FACTS, hint="my photo../x").name for _ in range(2)]
    assert names == ["my photo.._x.png", "my photo.._x-1.png"]


def test_long_names_are_cut_in_bytes(tmp_path: Path) -> None:
    namer = FileNamer(tmp_path, NamePatterns(name="[prompt]", add_number=False))
    facts = NameFacts(prompt="猫" * 20_000, now=NOW)
    names = {namer.path_for("txt2img", facts).name for _ in range(11)}
    assert len(names) == 11
    assert all(len(name.encode()) <= 200 for name in names)


def test_a_folder_that_a_link_leads_out_is_refused(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "outputs"
    outside.mkdir()
    root.mkdir()
    try:
        (root / "txt2img-images").symlink_to(outside, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    with pytest.raises(StorageError):
        FileNamer(root).path_for("txt2img", FACTS)


def test_the_facts_of_a_request_are_its_values_by_label() -> None:
    request = GenerationRequest(
        prompt=Prompt(positive="p"), noise=Noise(seed=9),
        source=Source(image=Blob(sha256="0" * 64), denoising_strength=0.3),
    )  # fmt: skip
    facts = facts_of(request, builtin(), model_hash="abc", now=NOW)
    assert (facts.seed, facts.prompt, facts.sampler, facts.schedule) == (
        9, "p", "DPM++ 2M", "Automatic"
    )  # fmt: skip
    assert (facts.denoising_strength, facts.model_hash, facts.now) == (0.3, "abc", NOW)
