"""Which addresses the platform may connect to on behalf of a user.

Decided on the address that is being connected, by an explicit list: `ip.is_private` would let
Alibaba's metadata service, NAT64, 6to4 and Azure's wire server through.
"""

import ipaddress
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(each) for each in text.split())


# Never, not even where private addresses are allowed: metadata services, link-local, multicast.
NEVER = _networks(
    "0.0.0.0/8 169.254.0.0/16 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 224.0.0.0/4 "
    "240.0.0.0/4 255.255.255.255/32 ::/128 fe80::/10 ff00::/8 fd00:ec2::254/128"
)
PRIVATE = _networks(
    "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 "
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 ::1/128 fc00::/7 fec0::/10 "
    "2001:db8::/32 2001::/23 100::/64 3fff::/20 5f00::/16"
)
NAT64 = _networks("64:ff9b::/96 64:ff9b:1::/48")
SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
IPV4_COMPATIBLE = ipaddress.ip_network("::/96")


def is_address(text: str) -> bool:
    """Whether it is a literal address, which no resolver has to look up."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in SIX_TO_FOUR and address.sixtofour is not None:
        return address.sixtofour
    is_nat64 = any(address in network for network in NAT64)
    if is_nat64 or (address in IPV4_COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_allowed(text: str, *, allow_private: bool) -> bool:
    """Whether a connection to the literal address `text` may be opened."""
    try:
        given = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    for address in {given, embedded(given)}:
        refused = NEVER if allow_private else (*NEVER, *PRIVATE)
        if any(address.version == net.version and address in net for net in refused):
            return False
    # Tunnels hide where they end: refused also when what they embed is public.
    is_tunnel = given != embedded(given) and getattr(given, "ipv4_mapped", None) is None
    return not is_tunnel


def problem_with_url(url: str) -> str | None:
    """Why `url` cannot be a provider's address: "scheme", "host", "credentials", "characters"."""
    if any(not 0x21 <= ord(char) < 0x7F for char in url) or "\\" in url:
        return "characters"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for a port that is none
    except ValueError:
        return "host"
    if parts.scheme not in ("http", "https"):
        return "scheme"
    if not parts.hostname:
        return "host"
    if parts.username or parts.password or parts.fragment or parts.query:
        return "credentials"
    return "host" if _is_odd_number(parts.hostname) else None


def _is_odd_number(host: str) -> bool:
    """Spellings like 127.1, 0x7f.1 or 2130706433 that some resolvers read as an address."""
    if is_address(host.strip("[]")):
        return False
    last = host.rstrip(".").rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")
