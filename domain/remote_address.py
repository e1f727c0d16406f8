"""Which network addresses PLOG may be sent to by an address that a user typed (guards against server-side request forgery).

Sources: the IANA special-purpose address registries and the documented metadata services of clouds.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

LINK_LOCAL_AND_METADATA = (
    "169.254.0.0/16",  # and in it 169.254.169.254, the metadata service of most clouds
    "fe80::/10",
    "fd00:ec2::/32",  # AWS: metadata, and the credentials of pods
    "fd20:ce::254/128",  # Google
    "100.100.100.200/32",  # Alibaba
    "fd00:100::100:200/128",
    "192.0.0.192/32",  # Oracle
    "fd00:c1::a9fe:a9fe/128",
    "168.63.129.16/32",  # Azure
    "fd00:42::42/128",  # Scaleway
    "fd00:a9fe:a9fe::1/128",  # Linode
)
NO_HOST = ("0.0.0.0/32", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")
HIDING = ("2001::/32", "64:ff9b:1::/48")  # Teredo, NAT64 of a site's own: where in them IPv4 addresses are no network tells
PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "::1/128",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fec0::/10",
)
EMBEDDING = (  # IPv6 networks with IPv4 ones inside
    ("64:ff9b::", 96),  # NAT64
    ("::ffff:0:0:0", 96),  # IPv4-translated
    ("2002::", 16),  # 6to4
    ("::", 96),  # IPv4-compatible
)


def address_problem(address: str, *, allows_private: bool) -> str | None:
    """Why nothing may be sent to the IP `address`, or None where it may.

    Link-local, metadata, multicast and unspecified addresses are never allowed, private ones and loopback where
    `allows_private` says so. IPv4 addresses inside IPv6 ones count as what they are.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    for networks, problem in _REFUSED if not allows_private else _NEVER:
        if any(ip in network for network in networks):
            return problem
    return None


def refused_networks(*, allows_private: bool) -> list[str]:
    """The networks of all addresses that `address_problem` refuses, as in `10.0.0.0/8`; IPv4-mapped addresses count as IPv4."""
    return [str(network) for networks, _ in (_REFUSED if not allows_private else _NEVER) for network in networks]


def _with_embedding(networks: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(each for network in networks for each in _forms(ip_network(network)))


def _forms(network: Network) -> Iterator[Network]:
    """The network, and those of IPv6 that lead to it."""
    yield network
    if isinstance(network, IPv4Network):
        for prefix, length in EMBEDDING:
            inside = int(network.network_address) << (128 - length - 32)
            yield IPv6Network((int(IPv6Address(prefix)) | inside, length + network.prefixlen))


_NEVER = (
    (_with_embedding(LINK_LOCAL_AND_METADATA), "is a link-local or metadata address"),
    (_with_embedding((*NO_HOST, *HIDING)), "is not the address of a host"),
)
_REFUSED = (*_NEVER, (_with_embedding(PRIVATE), "is a private address, which this server does not allow"))
