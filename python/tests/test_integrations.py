"""pydantic-settings and dynaconf, if they are installed."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, List, Optional, Tuple

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
