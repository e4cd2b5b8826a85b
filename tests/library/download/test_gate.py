"""Whom we speak to: no address of this machine or of a private network, whatever leads there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.library.download.serving import Site, as_json, redirect, serve, whole
from webui.errors import InvalidRequest, Unavailable
from webui.library.download.client import Client, Sites
from webui.library.download.gate import Gate, is_public

PUBLIC = "93.184.215.14"


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
     "100.64.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0", "fc00::1",
     "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1",
     "64:ff9b::a9fe:a9fe", "", "nonsense"],
)  # fmt: skip
def test_addresses_that_are_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("text", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "1.1.1.1"])
def test_addresses_that_are_public(text: str) -> None:
    assert is_public(text)


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://example.org/x", "gopher://example.org", "http://", "x",
     "http://a@example.org/", "http://a:b@example.org/", "http://example.org:99999/",
     "javascript:alert(1)", "http://example.org/" + "x" * 5000, "http://[::1", "\x00http://a"],
)  # fmt: skip
def test_other_schemes_and_addresses_with_passwords_are_refused(address: str) -> None:
    with pytest.raises(InvalidRequest):
        Gate().check(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0", "2130706433", "0x7f000001", "017700000001", "127.1",
     "[::ffff:127.0.0.1]"],
)  # fmt: skip
def test_this_machine_is_refused_however_it_is_spelled(host: str, site: Site) -> None:
    with Client(Sites()) as client, pytest.raises((InvalidRequest, Unavailable)):
        client.ask(f"http://{host}:{site.port}/")
    assert site.asked == []


@pytest.mark.parametrize("hops", [1, 5])
def test_a_redirect_to_a_private_address_is_refused_at_every_hop(hops: int, site: Site) -> None:
    with serve() as inner:
        inner.answers["/secret"] = as_json({"secret": 1})
        for hop in range(hops):
            site.answers[f"/{hop}"] = redirect(f"/{hop + 1}")
        site.answers[f"/{hops}"] = redirect(f"{inner.base}/secret")
        with (
            Client(Sites(private_hosts=(site.host,))) as client,
            pytest.raises(InvalidRequest, match="private"),
        ):
            client.ask(f"{site.base}/0")
        assert inner.asked == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://a:b@127.0.0.1/", "gopher://x/"])
def test_a_redirect_to_another_scheme_is_refused(target: str, site: Site) -> None:
    site.answers["/0"] = redirect(target)
    with Client(Sites(private_hosts=(site.host,))) as client, pytest.raises(InvalidRequest):
        client.ask(f"{site.base}/0")


def test_redirects_without_an_end_are_ended(site: Site) -> None:
    site.answers["/0"] = redirect("/0")
    with (
        Client(Sites(private_hosts=(site.host,))) as client,
        pytest.raises(Unavailable, match="without an end"),
    ):
        client.ask(f"{site.base}/0")


def test_a_name_is_looked_up_once_and_that_address_is_spoken_to(site: Site) -> None:
    """Rebinding: the second answer of the name server is never asked for."""
    asked: list[str] = []

    def look(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else [PUBLIC]

    site.answers["/told"] = as_json({"here": 1})
    name = f"models.test:{site.port}"
    with Client(Sites(private_hosts=(name,)), look) as client:
        assert client.ask(f"http://{name}/told") == {"here": 1}
    assert asked == ["models.test"]
    assert site.asked[0][1]["host"] == name


def test_a_name_with_one_private_address_among_others_is_refused(site: Site) -> None:
    with (
        Client(Sites(), lambda host, port: [PUBLIC, "127.0.0.1"]) as client,
        pytest.raises(InvalidRequest, match="private"),
    ):
        client.ask(f"http://models.test:{site.port}/")
    assert site.asked == []


def test_no_proxy_of_the_environment_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, site.base)
    with Client(Sites(), lambda host, port: []) as client, pytest.raises(Unavailable):
        client.ask("http://models.test/")
    assert site.asked == []


CANARY = "hf_canary_4711"


def test_a_token_goes_to_its_own_site_and_no_further(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    monkeypatch.setenv("HF_TOKEN", CANARY)
    with serve() as other:
        other.answers["/file"] = whole(b"x")
        site.answers["/file"] = redirect(f"{other.base}/file?signature={CANARY}")
        sites = Sites(hub=site.base, private_hosts=(site.host, other.host), data_dir=tmp_path)
        with Client(sites) as client, client.open(f"{site.base}/file") as response:
            assert response.status_code == 200
        with Client(sites) as client, pytest.raises(Unavailable) as raised:
            client.ask(f"{site.base}/file")
        assert site.asked[0][1]["authorization"] == f"Bearer {CANARY}"
        assert all("authorization" not in headers for _, headers in other.asked)
    told = "".join((raised.value.sentence, raised.value.detail, repr(raised.value), caplog.text))
    assert CANARY not in told


@pytest.mark.parametrize("where", ["environment", "file", "login"])
def test_where_a_token_may_lie(where: str, tmp_path: Path) -> None:
    from webui.library.download.tokens import find_token

    home = tmp_path / "hf"
    home.mkdir()
    environment = {"HF_HOME": str(home)}
    if where == "environment":
        environment["HF_TOKEN"] = CANARY
    elif where == "file":
        (tmp_path / "tokens.env").write_text(f"# mine\nHF_TOKEN = '{CANARY}'\n")
    else:
        (home / "token").write_text(f"{CANARY}\n")
    assert find_token("hub", tmp_path, environment) == CANARY
    assert find_token("civitai", tmp_path, environment) == ""
    assert find_token("hub", tmp_path, {"HF_HOME": "/x", "HF_TOKEN": "a\r\nX: b"}) in ("", CANARY)
