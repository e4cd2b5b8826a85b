"""Settings: what does not change the pixels, declared once for file, environment and flags."""

from webui.settings.declaration import (
    Engine,
    Extensions,
    Flag,
    Folders,
    Limits,
    Live,
    Saving,
    Server,
    Settings,
)
from webui.settings.file import SettingsFile
from webui.settings.flags import add_flags, collect_flags
from webui.settings.loading import load_settings, open_settings
from webui.settings.login import with_login

__all__ = [
    "Settings",
    "Server",
    "Folders",
    "Saving",
    "Live",
    "Engine",
    "Limits",
    "Extensions",
    "Flag",
    "SettingsFile",
    "add_flags",
    "collect_flags",
    "load_settings",
    "open_settings",
    "with_login",
]
