"""Addresses that a typed URL may lead to."""

from ipaddress import IPv4Network, ip_address, ip_network

import pytest

from domain.remote_address import address_problem, refused_networks


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "fd00:a9fe:a9fe::1",
        "fd00:100::100:200",
        "::ffff:0:169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "2001::1",
    ],
)
def test_some_addresses_are_never_allowed(address: str) -> None:
    assert address_problem(address, allows_private=True)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"]
)
def test_private_addresses_are_a_matter_of_the_setting(address: str) -> None:
    assert address_problem(address, allows_private=False)
    assert address_problem(address, allows_private=True) is None


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert address_problem(address, allows_private=False) is None


def test_no_address_that_is_not_global_is_allowed_at_the_edges_of_any_network() -> None:
    for network in map(ip_network, refused_networks(allows_private=False)):
        assert address_problem(str(network[0]), allows_private=False) and address_problem(str(network[-1]), allows_private=False)
        for number in (int(network[0]) - 1, int(network[-1]) + 1) if isinstance(network, IPv4Network) else ():
            ip = ip_address(min(max(number, 0), 2**32 - 1))
            if ip not in ip_network("192.0.0.0/24") and str(ip) != "168.63.129.16":
                is_refused = address_problem(str(ip), allows_private=False) is not None
                assert is_refused == (not ip.is_global or ip.is_multicast), ip
