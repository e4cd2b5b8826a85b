"""The stable API for authors of extensions."""

from webui.contract.effects import EffectForm
from webui.plugins.effects import Effect, Layer, PassView, Patch
from webui.plugins.hookspecs import API_VERSION, hookimpl
from webui.plugins.scripts import NoArgs, Script

__all__ = [
    "API_VERSION",
    "Effect",
    "EffectForm",
    "Layer",
    "NoArgs",
    "PassView",
    "Patch",
    "Script",
    "hookimpl",
]
