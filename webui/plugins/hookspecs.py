"""The hooks that an extension may implement; `api_version` 1.

`engine.py` of an extension is loaded by the worker, `server.py` by the server. A hook is a function
of the hook's name, marked with `webui.plugins.hookimpl`, that returns a list of entries.
"""

from collections.abc import Iterable
from typing import Any

import pluggy

from webui.contract.effects import EffectForm
from webui.plugins.entries import (
    EffectEntry,
    FamilyEntry,
    PreprocessorEntry,
    SamplerEntry,
    ScheduleEntry,
)
from webui.plugins.scripts import Script

PROJECT = "palimpsest"
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class EngineHooks:
    """What `engine.py` may add to the worker."""

    @hookspec
    def register_samplers(self) -> Iterable[SamplerEntry]:
        """Return samplers: `webui.diffusion.samplers.Sampler` values."""
        raise AssertionError("a specification is never called")

    @hookspec
    def register_schedules(self) -> Iterable[ScheduleEntry]:
        """Return schedules: `webui.diffusion.schedules.Schedule` values."""
        raise AssertionError("a specification is never called")

    @hookspec
    def register_preprocessors(self) -> Iterable[PreprocessorEntry]:
        """Return preprocessors: a picture in, a control picture out."""
        raise AssertionError("a specification is never called")

    @hookspec
    def register_families(self) -> Iterable[FamilyEntry]:
        """Return kinds of models: `webui.weights.families.ModelFamily` values.

        A file or folder that a built-in row takes never reaches them.
        """
        raise AssertionError("a specification is never called")

    @hookspec
    def register_effects(self) -> Iterable[EffectEntry]:
        """Return always-on effects: `webui.plugins.effects.Effect` instances."""
        raise AssertionError("a specification is never called")


class ServerHooks:
    """What `server.py` may add to the server."""

    @hookspec
    def register_scripts(self) -> Iterable[Script[Any]]:
        """Return scripts: `webui.plugins.scripts.Script` instances."""
        raise AssertionError("a specification is never called")

    @hookspec
    def register_effect_forms(self) -> Iterable[EffectForm]:
        """Return the forms of the effects that `engine.py` registers, for page, API, infotext."""
        raise AssertionError("a specification is never called")
