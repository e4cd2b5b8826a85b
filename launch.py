"""Makes the environment once, then starts Palimpsest in it.

    python launch.py [flags]           the page (`python launch.py --help` lists the flags)
    python launch.py test [args]       the whole test suite; arguments go to pytest
    python launch.py test --parity     the comparison with the older UI's pictures, and its table
    python launch.py setup [--test]    only make the environment
    python launch.py generate|doctor   the other commands of `python -m webui`

Needs nothing but Python 3.11 or newer. TORCH_COMMAND (a pip command) or TORCH_INDEX_URL (an
index) in the environment replace the choice of the torch build.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent
LOCKS = ROOT / "webui" / "locks"
MARKER = "palimpsest-installed.json"
OLDEST_PYTHON = (3, 11)
TORCH_RANGE = ((2, 10), (3, 0))
"""As in pyproject.toml: a torch build within it that is already there is left alone."""
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
COMMANDS = ("serve", "generate", "doctor")
PARITY = ("tests/parity", "-m", "parity")

FAULTS = (
    (("no space left", "errno 28", "not enough space", "disk quota"),
     "The disk is full: {place} needs 3 GB free (8 GB with CUDA). Make room, start again."),
    (("name resolution", "getaddrinfo", "network is unreachable", "connection refused",
      "max retries exceeded", "timed out", "connectionerror", "proxyerror", "newconnectionerror"),
     "The package index cannot be reached. Is this machine online? The first start needs the "
     "network; start again when it is there, and what is already installed is kept."),
    (("permission denied", "access is denied", "read-only file system"),
     "The environment at {place} may not be written to by this user."),
    (("no matching distribution", "could not find a version"),
     "A package has no build for this Python or machine (see above). Python 3.11, 3.12 and 3.13 "
     "are the ones to try; for torch, TORCH_COMMAND or TORCH_INDEX_URL choose another build."),
)  # fmt: skip
"""What pip says, in lower case, and what that means for a person."""


class Sentence(Exception):
    """Something that only the user can mend, said in one sentence."""


# ------------------------------------------------------------------------------ the environment


def choose_environment(root: Path, prefix: str, base_prefix: str, conda: str | None) -> Path:
    """The active virtual (or named conda) environment; else `.venv` beside this file."""
    if prefix != base_prefix or (conda not in (None, "", "base")):
        return Path(prefix)
    return root / ".venv"


def python_of(environment: Path, windows: bool = os.name == "nt") -> Path:
    """The interpreter of an environment."""
    if environment == Path(sys.prefix):
        return Path(sys.executable)
    return environment / "Scripts" / "python.exe" if windows else environment / "bin" / "python"


def python_version(environment: Path) -> str:
    """The interpreter's version as `3.11`, read without starting it; "" where there is none."""
    if environment == Path(sys.prefix):
        return _minor(sys.version.split()[0])
    if not python_of(environment).exists():
        return ""
    try:
        lines = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    pairs = (line.partition("=") for line in lines)
    return next((_minor(v.strip()) for k, _, v in pairs if k.strip().startswith("version")), "")


def make_environment(environment: Path) -> None:
    """Create the virtual environment, replacing one of another Python."""
    if environment == Path(sys.prefix) or python_version(environment) == _minor(_running()):
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise Sentence(
            "This Python cannot make virtual environments. On Debian and Ubuntu, install the "
            f"package python{_minor(_running())}-venv, then start again."
        )
    say(f"Making a virtual environment in {environment} (Python {_running()}).")
    command = [sys.executable, "-m", "venv", "--clear", str(environment)]
    run(command, environment, "The virtual environment could not be made (see above).")


def _running() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


# ------------------------------------------------------------------------------ what to install


def wanted(environment: Path, environ: Mapping[str, str], extras: Sequence[str]) -> dict[str, str]:
    """Part -> fingerprint of everything that decides what is installed for it."""
    python = python_version(environment)
    override = environ.get("TORCH_COMMAND", "") + "\n" + environ.get("TORCH_INDEX_URL", "")
    texts = {name: (LOCKS / f"{name}.txt").read_text(encoding="utf-8") for name in _locks(extras)}
    texts["torch"] += override
    return {
        name: hashlib.sha256(f"{python}\n{text}".encode()).hexdigest()
        for name, text in texts.items()
    }


def installed(environment: Path) -> dict[str, str]:
    """Part -> fingerprint as it was when it was last installed; empty for a new environment."""
    try:
        found = json.loads((environment / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def missing_parts(want: Mapping[str, str], have: Mapping[str, str]) -> list[str]:
    """The parts that must be installed, in order."""
    return [part for part, fingerprint in want.items() if have.get(part) != fingerprint]


def _locks(extras: Sequence[str]) -> tuple[str, ...]:
    return ("torch", "base", *extras)


def set_up(environment: Path, environ: Mapping[str, str], extras: Sequence[str]) -> None:
    """Make the environment and install what is missing; nothing is done where all is there."""
    make_environment(environment)
    want, have = wanted(environment, environ, extras), installed(environment)
    parts = missing_parts(want, have)
    if not parts:
        return
    say(f"Installing {', '.join(parts)}: once, and again only after an update.")
    python = python_of(environment)
    for part in parts:
        if part != "torch":
            pip(python, ["-r", str(LOCKS / f"{part}.txt")], environment)
        elif _overridden(environ) or not torch_fits(python):
            install_torch(python, environ, environment)
        # After each part, so that a broken download does not repeat the ones before it.
        have[part] = want[part]
        (environment / MARKER).write_text(json.dumps(have, indent=1), encoding="utf-8")


# ---------------------------------------------------------------------------------------- torch


def torch_fits(python: Path) -> bool:
    """Whether the environment already holds a torch within the range."""
    code = "import importlib.metadata as m; print(m.version('torch'))"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    numbers = found.stdout.strip().split("+")[0].split(".")[:2]
    if found.returncode or not all(part.isdigit() for part in numbers):
        return False
    return TORCH_RANGE[0] <= tuple(int(part) for part in numbers) < TORCH_RANGE[1]


def install_torch(python: Path, environ: Mapping[str, str], environment: Path) -> None:
    """Install the torch build for this machine."""
    command = environ.get("TORCH_COMMAND", "").strip()
    if command:
        words = shlex.split(command, posix=os.name != "nt")
        if words[0] in ("pip", "pip3"):
            words = [str(python), "-m", "pip", *words[1:]]
        run(words, environment, "TORCH_COMMAND failed (see above).")
        return
    pin = _pin((LOCKS / "torch.txt").read_text(encoding="utf-8"))
    arguments = torch_arguments(pin, environ, sys.platform, has_nvidia(), reachable)
    pip(python, [*arguments, "-c", str(LOCKS / "base.txt")], environment)


def torch_arguments(
    pin: str,
    environ: Mapping[str, str],
    system: str,
    nvidia: bool,
    is_reachable: Callable[[str], bool],
) -> list[str]:
    """What pip is asked for: the pin, and the index that has the build for this machine.

    The CPU index comes beside the usual one: its versions end in `+cpu`, which pip prefers. Where
    it cannot be reached, a CPU build offered by pip's own configuration is still taken.
    """
    override = environ.get("TORCH_INDEX_URL", "").strip()
    if override:
        return [pin, "--index-url", override]
    if system == "darwin" or (nvidia and system != "win32"):
        return [pin]
    index = CUDA_INDEX if nvidia else CPU_INDEX
    return [pin, "--extra-index-url", index] if is_reachable(index) else [pin]


def has_nvidia() -> bool:
    """Whether an NVIDIA driver answers."""
    if Path("/proc/driver/nvidia/version").exists():
        return True
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        found = subprocess.run([program, "-L"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0 and b"GPU" in found.stdout


def reachable(url: str) -> bool:
    """Whether an index answers within three seconds."""
    # Only here: a start that installs nothing has no time for it.
    import urllib.request  # noqa: PLC0415

    request = urllib.request.Request(f"{url}/torch/", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=3) as answer:
            return answer.status < 400
    except (OSError, ValueError):
        return False


def _overridden(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("TORCH_COMMAND", "").strip() or environ.get("TORCH_INDEX_URL", ""))


def _pin(lock: str) -> str:
    lines = (line.partition("#")[0].strip() for line in lock.splitlines())
    return next(line for line in lines if line)


# ------------------------------------------------------------------------------ running programs


def pip(python: Path, arguments: Sequence[str], environment: Path) -> None:
    """Run `pip install`; raises Sentence where it fails."""
    options = ["--disable-pip-version-check", "--no-input", "--prefer-binary"]
    command = [str(python), "-m", "pip", "install", *options, *arguments]
    run(command, environment, "Installing failed (see above).")


def run(command: Sequence[str], environment: Path, otherwise: str) -> None:
    """Run a program, showing what it prints; raises Sentence, by what it said, where it fails."""
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environ)
    except OSError as error:
        raise Sentence(f"{command[0]} cannot be started: {error}.") from error
    said: list[str] = []
    assert process.stderr is not None
    with process:
        for raw in process.stderr:
            line = raw.decode(errors="replace")
            sys.stderr.write(line)
            said.append(line)
    if process.returncode:
        raise Sentence(explain("".join(said), environment, otherwise))


def explain(said: str, place: Path, otherwise: str) -> str:
    """What a failed program's last words mean for a person."""
    heard = said.lower()
    for marks, meaning in FAULTS:
        if any(mark in heard for mark in marks):
            return meaning.format(place=place)
    return otherwise


def start(python: Path, arguments: Sequence[str], cwd: Path | None = None) -> NoReturn:
    """Become `python arguments...`, with this project importable."""
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), inherited)))
    if cwd is not None:
        os.chdir(cwd)
    command = [str(python), *arguments]
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    # Windows' exec would give the console back while the program goes on.
    process = subprocess.Popen(command)
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:
            continue


def say(text: str) -> None:
    """A line for the person who waits."""
    print(f"palimpsest: {text}", flush=True)


# ---------------------------------------------------------------------------------------- tests


def find_chromium() -> str | None:
    """The browser that the browser tests drive."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


def ensure_chromium() -> None:
    """Install Debian's chromium where it is missing and that is possible; else say how."""
    if find_chromium():
        return
    apt = shutil.which("apt-get")
    if apt is None or os.name == "nt" or os.geteuid() != 0:
        how = "sudo apt-get install chromium" if apt else "install Chromium or Google Chrome"
        say(f"No Chromium found, so the browser tests are skipped. To run them: {how}.")
        return
    say("Installing Debian's chromium for the browser tests.")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [apt, "install", "-y", "--no-install-recommends", "chromium"]
    for command in ([apt, "update", "-q"], install):
        subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=False)
    if not find_chromium():
        say("chromium could not be installed (see above), so the browser tests are skipped.")


# ----------------------------------------------------------------------------------------- main


def main(argv: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Set up, then become the asked command."""
    if sys.version_info < OLDEST_PYTHON:
        raise Sentence(
            f"Palimpsest needs Python 3.11 or newer; this is {_running()} ({sys.executable}). "
            "Start launch.py with a newer one, as: python3.12 launch.py"
        )
    command, rest = split(argv)
    environment = choose_environment(
        ROOT,
        sys.prefix,
        sys.base_prefix,
        environ.get("CONDA_DEFAULT_ENV") if environ.get("CONDA_PREFIX") == sys.prefix else None,
    )
    testing = command == "test" or (command == "setup" and "--test" in rest)
    set_up(environment, environ, ["test"] if testing else [])
    if testing:
        ensure_chromium()
    if command == "setup":
        say(f"Ready: {python_of(environment)}")
        sys.exit(0)
    if command == "test":
        start(python_of(environment), ["-m", "pytest", *pytest_arguments(rest)], cwd=ROOT)
    start(python_of(environment), ["-m", "webui", command, *rest])


def pytest_arguments(rest: Sequence[str]) -> list[str]:
    """What pytest is told; `--parity` stands for the comparison with the older UI's pictures."""
    return [part for word in rest for part in (PARITY if word == "--parity" else (word,))]


def split(argv: Sequence[str]) -> tuple[str, list[str]]:
    """The command and its arguments; flags alone mean `serve`."""
    if argv and argv[0] in (*COMMANDS, "test", "setup"):
        return argv[0], list(argv[1:])
    return "serve", list(argv)


if __name__ == "__main__":
    try:
        main(sys.argv[1:], os.environ)
    except Sentence as sentence:
        print(f"palimpsest: {sentence}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
