"""Which network addresses PLOG may be sent to by an address that a user typed (guards against server-side request forgery).

Sources: the IANA special-purpose address registries (by way of `ipaddress`) and the documented metadata services of clouds.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

METADATA_SERVICES = frozenset(
    {
        "169.254.169.254",  # most clouds
        "fd00:ec2::254",  # AWS
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure
    }
)
_NAT64 = IPv6Network("64:ff9b::/96")


def address_problem(address: str, *, allows_private: bool) -> str | None:
    """Why nothing may be fetched from the IP `address`, or None where it may.

    Link-local, metadata, multicast and unspecified addresses are never allowed, private ones and loopback where
    `allows_private` says so. IPv4 addresses inside IPv6 ones count as what they are.
    """
    ip = _unwrapped(ip_address(address.partition("%")[0]))
    if ip.is_link_local or str(ip) in METADATA_SERVICES:
        return "is a link-local or metadata address"
    if ip.is_multicast or ip.is_unspecified or (ip.is_reserved and isinstance(ip, IPv4Address)):
        return "is not the address of a host"
    if not ip.is_global and not allows_private:
        return "is a private address, which this server does not allow"
    return None


def _unwrapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or ip
