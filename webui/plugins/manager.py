"""Finding, loading, isolating and timing extensions; one manager for each wing."""

import importlib.util
import logging
import sys
import time
import traceback
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

from webui.contract.effects import EffectForm
from webui.contract.events import PluginReport, Word
from webui.errors import PluginError
from webui.plugins.entries import (
    EffectEntry,
    FamilyEntry,
    PreprocessorEntry,
    SamplerEntry,
    ScheduleEntry,
)
from webui.plugins.hookspecs import API_VERSION, PROJECT, EngineHooks, ServerHooks
from webui.plugins.registries import Registry
from webui.plugins.scripts import Script

log = logging.getLogger(__name__)

Wing = Literal["engine", "server"]
NAMESPACE = "palimpsest_extensions"


class PluginManager:
    """Everything that plugins of one wing have brought, and how their loading went."""

    def __init__(self, wing: Wing) -> None:
        self.wing = wing
        self.reports: list[PluginReport] = []
        self.samplers = Registry[SamplerEntry]("sampler", "register_samplers")
        self.schedules = Registry[ScheduleEntry]("schedule", "register_schedules")
        self.preprocessors = Registry[PreprocessorEntry]("preprocessor", "register_preprocessors")
        self.families = Registry[FamilyEntry]("model family", "register_families")
        self.effects = Registry[EffectEntry]("effect", "register_effects")
        self.scripts = Registry[Script[Any]]("script", "register_scripts")
        self.effect_forms = Registry[EffectForm]("effect", "register_effect_forms")
        self._hooks = pluggy.PluginManager(PROJECT)
        self._hooks.add_hookspecs(EngineHooks if wing == "engine" else ServerHooks)

    @property
    def registries(self) -> tuple[Registry[Any], ...]:
        """The registries that this wing's hooks fill."""
        if self.wing == "server":
            return (self.scripts, self.effect_forms)
        return (self.samplers, self.schedules, self.preprocessors, self.families, self.effects)

    def add(self, name: str, plugin: object, version: str = "") -> None:
        """Register a ready plugin object and take over its entries.

        Raises PluginError where a hook is unknown or has a wrong signature, or an entry is refused;
        nothing of the plugin is kept then.
        """
        started = time.perf_counter()
        asked = getattr(plugin, "API_VERSION", API_VERSION)
        if asked != API_VERSION:
            raise PluginError(
                name, "", f"{name} is written for plugin API {asked}; this is {API_VERSION}."
            )
        try:
            self._hooks.register(plugin, name)
            self._hooks.check_pending()
            entries = [(r, self._collect(name, plugin, r)) for r in self.registries]
        except pluggy.PluginValidationError as error:
            self._forget(plugin)
            raise PluginError(name, "", f"{name}: {error}") from error
        except PluginError:
            self._forget(plugin)
            raise
        self._take(name, plugin, entries)
        hooks = tuple(r.hook for r, found in entries if found)
        seconds = time.perf_counter() - started
        self.reports.append(
            PluginReport(name=name, version=version, hooks=hooks, seconds=round(seconds, 4))
        )

    def load_folder(
        self,
        folder: Path,
        disabled: Collection[str] = (),
        record: "StartRecord | None" = None,
    ) -> None:
        """Load `NAME/{engine,server}.py` of every extension below `folder`, by name.

        A broken extension is reported, never fatal; one that was being loaded when the process
        last died is skipped once by name.
        """
        for path in sorted(folder.glob(f"*/{self.wing}.py")):
            name = path.parent.name
            if name in disabled:
                self.reports.append(PluginReport(name=name, error="disabled in the settings"))
            elif record is not None and record.broke(name):
                self.reports.append(
                    PluginReport(name=name, error="skipped: it broke the last start")
                )
                log.error("extension %s is skipped: it broke the last start", name)
            else:
                self._load(name, path, record)

    def words(self) -> dict[str, tuple[Word, ...]]:
        """Everything on offer, by vocabulary name."""
        named = {
            "samplers": self.samplers,
            "schedules": self.schedules,
            "preprocessors": self.preprocessors,
            "effects": self.effects if self.wing == "engine" else self.effect_forms,
            "scripts": self.scripts,
        }
        return {name: r.words() for name, r in named.items() if r in self.registries}

    def _load(self, name: str, path: Path, record: "StartRecord | None") -> None:
        started = time.perf_counter()
        try:
            with record.loading(name) if record is not None else _nothing():
                module = _import(name, path)
                self.add(name, module, str(getattr(module, "__version__", "")))
        except (Exception, SystemExit) as error:
            sentence = error.sentence if isinstance(error, PluginError) else repr(error)
            log.error("extension %s could not be loaded: %s", name, sentence)
            log.debug("%s", traceback.format_exc())
            self.reports.append(
                PluginReport(
                    name=name, error=sentence, seconds=round(time.perf_counter() - started, 4)
                )
            )

    def _collect(self, name: str, plugin: object, registry: Registry[Any]) -> Sequence[Any]:
        """Call one plugin's implementation of one hook."""
        hook = getattr(self._hooks.hook, registry.hook)
        mine = [i for i in hook.get_hookimpls() if i.plugin is plugin]
        if not mine:
            return ()
        try:
            result: Any = mine[0].function()
            return list(result)
        except Exception as error:
            raise PluginError(
                name, registry.hook, f"{name}: {registry.hook} failed: {error!r}"
            ) from error

    def _take(
        self, name: str, plugin: object, entries: Iterable[tuple[Registry[Any], Sequence[Any]]]
    ) -> None:
        try:
            for registry, found in entries:
                registry.add(name, found)
        except PluginError:
            for registry in self.registries:
                registry.drop(name)
            self._forget(plugin)
            raise

    def _forget(self, plugin: object) -> None:
        if self._hooks.is_registered(plugin):
            self._hooks.unregister(plugin)


class StartRecord:
    """A note on disk of the extension being loaded, so that one which kills the process is known.

    The note outlives the process only if loading never came back. It is removed once it has been
    heeded, so the extension gets another chance at the start after the next.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._broken = _read_note(path)
        path.unlink(missing_ok=True)

    def broke(self, name: str) -> bool:
        """Whether the last start died while loading `name`."""
        return name == self._broken

    @contextmanager
    def loading(self, name: str) -> Generator[None]:
        """Keep the note while the block runs."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(name, encoding="utf-8")
        try:
            yield
        finally:
            self._path.unlink(missing_ok=True)


@contextmanager
def _nothing() -> Generator[None]:
    yield


def _read_note(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _import(name: str, path: Path) -> ModuleType:
    """Import an extension's file as `palimpsest_extensions.NAME.STEM`, so siblings import too."""
    _package(NAMESPACE, [])
    _package(f"{NAMESPACE}.{name}", [str(path.parent)])
    full = f"{NAMESPACE}.{name}.{path.stem}"
    spec = importlib.util.spec_from_file_location(full, path)
    if spec is None or spec.loader is None:
        raise PluginError(name, "", f"{name}: {path.name} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(full, None)
        raise
    return module


def _package(name: str, path: list[str]) -> None:
    package = sys.modules.setdefault(name, ModuleType(name))
    package.__path__ = path
