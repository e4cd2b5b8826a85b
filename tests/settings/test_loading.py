import json
from pathlib import Path
from typing import Any

import pytest

from webui.contract.fields import get, leaves
from webui.errors import InvalidRequest
from webui.settings import Settings, SettingsFile, load_settings, with_login
from webui.settings.texts import variable_of


def write(path: Path, tree: Any) -> Path:
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def test_without_anything_the_defaults_hold_and_folders_are_absolute(tmp_path: Path) -> None:
    settings = load_settings(["--config", str(tmp_path / "none.json")], {})
    assert settings.server.port == 7860
    assert settings.server.host == "127.0.0.1"
    for name in ("data_dir", "models_dir", "outputs_dir", "extensions_dir"):
        assert getattr(settings.folders, name).is_absolute()


def test_flags_win_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", {"server": {"port": 1001}, "live": {"preview_size": 128}})
    environ = {"WEBUI_SERVER__PORT": "1002", "WEBUI_FOLDERS__CONFIG_FILE": str(file)}
    assert load_settings([], environ).server.port == 1002
    assert load_settings(["--port", "1003"], environ).server.port == 1003
    assert load_settings([], environ).live.preview_size == 128


def test_any_setting_can_be_set_by_its_name() -> None:
    argv = ["--set", "live.preview_seconds=0.2", "--set", "extensions.disabled=a, b"]
    settings = load_settings(argv, {})
    assert settings.live.preview_seconds == 0.2
    assert settings.extensions.disabled == ("a", "b")


def test_lists_may_be_json() -> None:
    environ = {"WEBUI_SERVER__CORS_ORIGINS": '["http://a", "http://b,c"]'}
    assert load_settings([], environ).server.cors_origins == ("http://a", "http://b,c")


def test_switches_leave_the_file_alone_when_they_are_not_given(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", {"extensions": {"safe": True}, "server": {"listen": True}})
    settings = load_settings(["--config", str(file)], {})
    assert settings.extensions.safe
    assert settings.server.listen


def test_the_switch_for_the_browser_turns_it_off() -> None:
    assert load_settings([], {}).server.open_browser
    assert not load_settings(["--no-browser"], {}).server.open_browser


@pytest.mark.parametrize(
    ("argv", "environ", "culprit"),
    [
        (["--port", "0"], {}, "server.port"),
        (["--port", "abc"], {}, "server.port"),
        (["--auth", "nopassword"], {}, "server.auth"),
        (["--set", "server.prot=1"], {}, "server.prot"),
        (["--set", "server.port"], {}, "server.port"),
        ([], {"WEBUI_SERVER__PORT": "99999"}, "server.port"),
        ([], {"WEBUI_SERVER__PROT": "1"}, "WEBUI_SERVER__PROT"),
        ([], {"WEBUI_EXTENSIONS__DISABLED": "[1"}, "extensions.disabled"),
    ],
)
def test_a_wrong_flag_or_variable_is_refused_by_name(
    argv: list[str], environ: dict[str, str], culprit: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load_settings(argv, environ)
    assert caught.value.field == culprit
    assert culprit in caught.value.sentence


def test_a_misspelt_setting_gets_an_offer() -> None:
    with pytest.raises(InvalidRequest, match=r"Did you mean server\.port"):
        load_settings(["--set", "server.prot=1"], {})


def test_a_refused_login_is_not_repeated_on_the_screen() -> None:
    with pytest.raises(InvalidRequest) as caught:
        load_settings(["--auth", "secretword"], {})
    assert "secretword" not in caught.value.sentence


def test_an_unreadable_list_of_environment_names_from_elsewhere_is_ignored() -> None:
    assert load_settings([], {"WEBUI": "x", "WEBUI_VERSION": "1", "PATH": "/bin"}) is not None


def test_relative_folders_count_from_the_file_or_from_where_the_flag_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    file = write(tmp_path / "c.json", {"folders": {"models_dir": "my models"}})
    monkeypatch.chdir(tmp_path / "here")
    settings = load_settings(["--config", str(file), "--outputs-dir", "out"], {})
    assert settings.folders.models_dir == tmp_path / "my models"
    assert settings.folders.outputs_dir == tmp_path / "here" / "out"


def test_models_folders_may_be_several_and_the_first_is_our_own(tmp_path: Path) -> None:
    first, *others = (str(tmp_path / name) for name in ("own", "more", "loras", "photos"))
    argv = ["--models-dir", first, "--models-dir", others[0], "--lora-dir", others[1]]
    folders = load_settings([*argv, "--ckpt-dir", others[2]], {}).folders
    assert folders.models_dir == Path(first)
    assert folders.more_models_dirs == tuple(map(Path, others))
    alone = load_settings(["--models-dir", first, "--config", str(tmp_path / "c.json")], {})
    assert alone.folders.models_dir == Path(first)
    assert alone.folders.more_models_dirs == ()


def test_further_folders_come_from_the_file_and_the_environment_too(tmp_path: Path) -> None:
    told = {"more_models_dirs": ["a", str(tmp_path / "b")], "a1111_home": "older"}
    file = write(tmp_path / "c.json", {"folders": told})
    folders = load_settings(["--config", str(file)], {}).folders
    assert folders.more_models_dirs == (tmp_path / "a", tmp_path / "b")
    assert folders.a1111_home == tmp_path / "older"
    environ = {"WEBUI_FOLDERS__MORE_MODELS_DIRS": str(tmp_path), "WEBUI_FOLDERS__A1111_HOME": ""}
    folders = load_settings(["--config", str(file)], environ).folders
    assert folders.more_models_dirs == (tmp_path,)
    assert folders.a1111_home is None


def test_folders_are_kept_as_text_in_the_file(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "c.json")
    file.update({"folders.more_models_dirs": (tmp_path / "a",), "folders.a1111_home": tmp_path})
    assert file.load().folders.more_models_dirs == (tmp_path / "a",)
    assert file.load().folders.a1111_home == tmp_path


def test_a_given_data_folder_takes_outputs_and_settings_along(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"server": {"port": 1234}})
    settings = load_settings(["--data-dir", str(tmp_path)], {})
    assert settings.folders.outputs_dir == tmp_path / "outputs"
    assert settings.folders.config_file == tmp_path / "config.json"
    assert settings.server.port == 1234
    elsewhere = load_settings(
        ["--data-dir", str(tmp_path), "--outputs-dir", str(tmp_path / "o")], {}
    )
    assert elsewhere.folders.outputs_dir == tmp_path / "o"


def test_every_leaf_has_label_help_variable_and_a_default() -> None:
    found = leaves(Settings)
    assert len(found) > 20
    for path, leaf in found.items():
        assert leaf.param.label, path
        assert leaf.param.help.endswith("."), path
        assert variable_of(path).isupper()
        assert get(Settings(), path) == leaf.default
    assert len({variable_of(path) for path in found}) == len(found)


def test_listening_widens_only_a_local_address() -> None:
    assert load_settings(["--listen"], {}).server.bind_host == "0.0.0.0"
    assert load_settings(["--listen", "--host", "10.0.0.1"], {}).server.bind_host == "10.0.0.1"
    assert load_settings([], {}).server.local_only
    assert load_settings(["--host", "localhost"], {}).server.local_only
    assert load_settings(["--host", "::1"], {}).server.local_only
    assert not load_settings(["--host", "0.0.0.0"], {}).server.local_only


def test_a_reachable_server_without_a_login_gets_one() -> None:
    settings, made = with_login(load_settings(["--listen"], {}))
    assert made == settings.server.auth
    name, _, password = made.partition(":")
    assert name
    assert len(password) >= 20
    assert with_login(load_settings(["--listen"], {}))[1] != made


def test_a_local_server_or_one_with_a_login_keeps_its_settings() -> None:
    assert with_login(load_settings([], {}))[1] == ""
    given = load_settings(["--listen", "--auth", "me:secret:with:colons"], {})
    assert with_login(given) == (given, "")


def test_a_login_does_not_show_in_a_printed_settings_object() -> None:
    assert "hidden" not in repr(load_settings(["--auth", "me:hidden"], {}))
