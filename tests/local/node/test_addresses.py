"""Every pod gets an address of its own."""

from __future__ import annotations

from ipaddress import IPv4Address

from tidegate.local.node.addresses import NETWORK, Addresses


def test_addresses_differ_and_lie_in_the_network() -> None:
    addresses = Addresses(seed="a")
    found = [addresses.take() for _ in range(600)]
    assert len(set(found)) == 600
    assert all(IPv4Address(one) in NETWORK for one in found)
    assert not any(one.endswith((".0", ".255")) for one in found)


def test_an_address_that_was_given_back_is_not_used_again_at_once() -> None:
    addresses = Addresses(seed="a")
    first = addresses.take()
    addresses.release(first)
    assert addresses.take() != first


def test_a_pod_keeps_its_address_unless_another_has_it() -> None:
    addresses = Addresses(seed="a")
    assert addresses.take("127.64.3.4") == "127.64.3.4"
    assert addresses.take("127.64.3.4") != "127.64.3.4"
    assert addresses.take("10.0.0.1") != "10.0.0.1"


def test_two_clusters_begin_at_different_places() -> None:
    assert Addresses(seed="/a").take() != Addresses(seed="/b").take()
