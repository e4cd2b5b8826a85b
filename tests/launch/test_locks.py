import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import launch


def read_lock(name: str) -> dict[str, str]:
    lines = (launch.LOCKS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.partition(";")[0].strip() for line in lines if not line.startswith("#"))
    return dict(pin.split("==") for pin in pins)


def declared(*extras: str) -> list[Requirement]:
    project = tomllib.loads((launch.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = list(project["dependencies"])
    for extra in extras:
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


def test_every_dependency_is_locked_within_its_range() -> None:
    pins = read_lock("base") | read_lock("test") | read_lock("torch")
    for wanted in declared("test"):
        pin = pins[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(pin), f"{wanted} is locked at {pin}"


def test_torch_is_locked_apart_and_brings_no_gpu_packages() -> None:
    assert set(read_lock("torch")) == {"torch"}
    others = {*read_lock("base"), *read_lock("test")}
    assert not [name for name in others if re.match(r"(nvidia|torch$|torchvision|triton)", name)]


def test_the_launcher_and_the_project_agree_on_the_range_of_torch() -> None:
    wanted = next(r for r in declared() if r.name == "torch")
    low, high = (".".join(map(str, bound)) for bound in launch.TORCH_RANGE)
    assert wanted.specifier.contains(low)
    assert not wanted.specifier.contains(high)


def test_the_locks_name_no_host() -> None:
    for path in launch.LOCKS.glob("*.txt"):
        assert "://" not in path.read_text(encoding="utf-8")
