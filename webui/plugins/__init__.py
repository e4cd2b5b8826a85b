"""The stable API for authors of extensions."""

from webui.plugins.effects import Effect, Patch
from webui.plugins.hookspecs import API_VERSION, hookimpl
from webui.plugins.scripts import NoArgs, Script

__all__ = ["API_VERSION", "Effect", "NoArgs", "Patch", "Script", "hookimpl"]
