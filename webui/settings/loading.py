"""Defaults, file, environment, flags: laid over each other in this order."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from webui.contract.fields import nest, walk
from webui.settings.declaration import Settings
from webui.settings.file import SettingsFile
from webui.settings.flags import add_flags, collect_flags
from webui.settings.texts import checked, from_environment

_FOLLOWERS = {"folders.outputs_dir": "outputs", "folders.config_file": "config.json"}
"""What an explicitly given data folder takes along, unless it is given itself."""


def load_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings for the flags `argv` and the environment; folders are absolute paths.

    Raises InvalidRequest for a wrong flag or variable; wrong values in the file are only logged.
    """
    parser = argparse.ArgumentParser(prog="webui", allow_abbrev=False)
    add_flags(parser)
    return open_settings(collect_flags(parser.parse_args(argv)), environ)


def open_settings(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """The settings for already collected flags (values by path); see `load_settings`."""
    outer = {**from_environment(environ), **flags}
    outer = {**_followers(outer), **outer}
    base = checked(at_home(home_folder()), outer, "A launch flag or environment variable")
    loaded = SettingsFile(base.folders.config_file).load(base)
    return nest(loaded, outer)


def home_folder() -> Path:
    """The project's folder; for an installed package, the user's data folder."""
    project = Path(__file__).resolve().parents[2]
    if (project / "launch.py").is_file():
        return project
    return Path(platformdirs.user_data_dir("palimpsest", appauthor=False))


def at_home(home: Path) -> Settings:
    """The defaults with every folder made absolute below `home`."""
    places = {leaf.path: home / leaf.default for leaf in walk(Settings) if leaf.annotation is Path}
    return nest(Settings(), places)


def _followers(outer: Mapping[str, Any]) -> dict[str, Any]:
    if "folders.data_dir" not in outer:
        return {}
    data = Path(outer["folders.data_dir"])
    return {path: data / name for path, name in _FOLLOWERS.items()}
