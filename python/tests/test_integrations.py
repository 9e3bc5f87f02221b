"""pydantic-settings and dynaconf, if they are installed."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import pytest

import cms


def test_settings_are_filled_from_a_section(store: cms.Store) -> None:
    settings = pytest.importorskip("pydantic_settings")
    pydantic = pytest.importorskip("pydantic")
    from cms.pydantic import StoreSource

    class Lan(settings.BaseSettings):  # type: ignore[misc, name-defined]
        ipaddr: IPv4Address
        dns: List[str]
        proto: str
        mtu: int = 1500
        mask: Optional[IPv4Address] = pydantic.Field(None, validation_alias="netmask")
        device: List[str] = []
        force_link: bool = False

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: Any, init_settings: Any, env_settings: Any, **_: Any
        ) -> Tuple[Any, ...]:
            return init_settings, env_settings, StoreSource(settings_cls, "network.lan", store)

    lan = Lan()
    assert (lan.ipaddr, lan.dns, lan.proto) == (IPv4Address("192.168.1.1"), ["1.1.1.1", "8.8.8.8"], "static")
    assert (lan.mtu, lan.mask, lan.device) == (1500, IPv4Address("255.255.255.0"), ["br-lan"])
    with store.transaction() as txn:
        txn["network.lan.mtu"] = 1400
        txn["network.lan.force_link"] = "enabled"
    assert (Lan().mtu, Lan().force_link, Lan(mtu=9000).mtu) == (1400, True, 9000)
    store.set("network.lan.mtu", "much")
    with pytest.raises(pydantic.ValidationError, match="mtu"):
        Lan()


def test_models_are_filled_from_the_sections_of_a_package() -> None:
    settings = pytest.importorskip("pydantic_settings")
    pydantic = pytest.importorskip("pydantic")
    from cms.pydantic import StoreSource

    class Interface(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        proto: str
        dns: List[str] = []

    class Network(settings.BaseSettings):  # type: ignore[misc, name-defined]
        lan: Interface
        wan: Interface
        guest: Optional[Interface] = None

        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, **_: Any) -> Tuple[Any, ...]:
            return (StoreSource(settings_cls, "network"),)

    network = Network()
    assert (network.lan.dns, network.wan.proto, network.guest) == (["1.1.1.1", "8.8.8.8"], "dhcp", None)


def test_dynaconf_loads_packages(store: cms.Store) -> None:
    dynaconf = pytest.importorskip("dynaconf")
    settings = dynaconf.Dynaconf(
        core_loaders=[], loaders=["cms.dynaconf"], CMS_FOR_DYNACONF="network, system", CMS_STORE_FOR_DYNACONF=store
    )
    assert settings.NETWORK.lan.ipaddr == "192.168.1.1"
    assert settings("network.lan.dns") == ["1.1.1.1", "8.8.8.8"]
    assert settings.get("firewall") is None
    store.set("network.lan.ipaddr", "10.0.0.1")
    settings.reload()
    assert settings.network.lan.ipaddr == "10.0.0.1"


def test_dynaconf_loads_all_packages_of_the_environment() -> None:
    dynaconf = pytest.importorskip("dynaconf")
    settings = dynaconf.Dynaconf(core_loaders=[], loaders=["cms.dynaconf"])
    assert len(settings.firewall) == 2
    assert len(settings.system) == 1


@pytest.fixture
def path(where: Dict[str, Path]) -> Path:
    return where["config_dir"] / "network"


def line_of(path: Path, option: str) -> int:
    """The line of an option in a file."""
    lines = path.read_text().splitlines()
    return next(at for at, line in enumerate(lines, 1) if line.split()[1:2] == [option])


def test_settings_of_a_store_are_saved_in_it(store: cms.Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pydantic = pytest.importorskip("pydantic")
    pytest.importorskip("pydantic_settings")
    from cms.pydantic import StoreSettings

    base: Any = StoreSettings

    class Lan(base):  # type: ignore[misc]
        cms_key: ClassVar[str] = "network.lan"
        ipaddr: IPv4Address
        dns: List[str]
        mtu: int = 1500
        lease: timedelta = timedelta(hours=12)
        up: bool = pydantic.Field(True, validation_alias="auto")
        password: Optional[pydantic.SecretStr] = None  # type: ignore[name-defined]
        netmask: Optional[str] = None

    lan = Lan()
    before, revision = path.read_text(), lan.save()
    lan.save()
    assert (path.read_text(), store.revision) == (before, revision)
    lan.mtu, lan.lease, lan.up, lan.password = 1400, timedelta(minutes=90), False, pydantic.SecretStr("geheim")
    lan.netmask = None
    lan.dns.append("9.9.9.9")
    lan.save("from pydantic")
    assert next(store.history()).message == "from pydantic"
    assert store["network.lan"] == {
        "device": "br-lan",
        "proto": "static",
        "ipaddr": "192.168.1.1",
        "dns": ["1.1.1.1", "8.8.8.8", "9.9.9.9"],
        "mtu": "1400",
        "lease": "5400",
        "auto": "0",
        "password": "geheim",
    }
    assert Lan() == lan
    assert "# the printer knows this one" in path.read_text()
    monkeypatch.setenv("MTU", "1280")
    assert (Lan().mtu, Lan(mtu=9000).mtu) == (1280, 9000)


def test_errors_of_pydantic_name_file_and_line(store: cms.Store, path: Path) -> None:
    pydantic = pytest.importorskip("pydantic")
    pytest.importorskip("pydantic_settings")
    from cms.pydantic import StoreSettings, load

    base: Any = StoreSettings

    class Lan(base):  # type: ignore[misc]
        cms_key: ClassVar[str] = "network.lan"
        ipaddr: IPv4Address
        dns: List[IPv4Address]
        mtu: int = 1500

    class Interface(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        proto: str
        mtu: Optional[int] = None

    class Network(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        lan: Interface
        wan: Interface

    with store.transaction() as txn:
        txn["network.lan.mtu"] = "{much}"
        txn["network.lan.dns"] = ["1.1.1.1", "dns.example"]
        del txn["network.wan.proto"]
    mtu = f"(network.lan.mtu in {path}:{line_of(path, 'mtu')})"
    with pytest.raises(pydantic.ValidationError) as caught:
        Lan()
    assert mtu in str(caught.value)
    assert f"(network.lan.dns in {path}:{line_of(path, 'dns')})" in str(caught.value)
    assert [error["loc"] for error in caught.value.errors()] == [("dns", 1), ("mtu",)]
    with pytest.raises(pydantic.ValidationError) as caught:
        load(Network, "network", store)
    assert f"(network.lan.mtu in {path}:" in str(caught.value)
    assert "wan.proto\n  Field required" in str(caught.value)


def test_models_are_loaded_and_saved(store: cms.Store) -> None:
    pydantic = pytest.importorskip("pydantic")
    pytest.importorskip("pydantic_settings")
    from cms.pydantic import load, save

    class Interface(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        cms_type: ClassVar[str] = "interface"
        proto: str = "none"
        dns: List[str] = []

    class Network(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        lan: Interface
        guest: Optional[Interface] = None

    network = load(Network, "network", store)
    assert network.lan.dns == ["1.1.1.1", "8.8.8.8"]
    network.guest = Interface(proto="static")
    network.lan.dns = []
    save(network, "network", store)
    assert load(Network, "network", store) == network
    assert store.section("network.guest").type == "interface"
    assert "network.lan.dns" not in store
    with pytest.raises(cms.Invalid, match="is read as 'none'"):
        save(Interface(proto=""), "network.lan", store)

    class Untyped(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        proto: str

    with pytest.raises(TypeError, match="cms_type"):
        save(Untyped(proto="x"), "network.nono", store)


def test_errors_of_dynaconf_name_file_and_line(store: cms.Store, path: Path) -> None:
    dynaconf = pytest.importorskip("dynaconf")
    from cms.dynaconf import Validator

    store.set("network.lan.mtu", 100)

    def settings(*validators: Any) -> Any:
        return dynaconf.Dynaconf(
            core_loaders=[], loaders=["cms.dynaconf"], CMS_STORE_FOR_DYNACONF=store, validators=validators
        ).NETWORK

    place = rf"\({re.escape(str(path))}:{line_of(path, 'mtu')}\)$"
    fits = Validator("NETWORK.lan.mtu", cast=int, gte=100)
    assert settings(fits).lan.mtu == 100
    with pytest.raises(dynaconf.ValidationError, match="must gte 576 but it is 100.*" + place):
        settings(
            Validator("NETWORK.lan.proto", "NETWORK.lan.mtu", is_type_of=str)
            & Validator("NETWORK.lan.mtu", cast=int, gte=576)
        )
    store.set("network.lan.mtu", "much")
    with pytest.raises(dynaconf.ValidationError, match=r"NETWORK\.lan\.mtu: .*'much'.*" + place):
        settings(fits)
    with pytest.raises(dynaconf.ValidationError, match=r"NETWORK\.lan\.nono is required in env main$"):
        settings(Validator("NETWORK.lan.nono", must_exist=True))
