"""The addresses that tasks may call, and how the settings that list them are parsed."""

import pytest

from jobs.http.targets import EgressPolicy, parse_rules

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "223.255.255.255"),
    *("2606:4700::1111", "2a00:1450::200e", "2003::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
]
NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255"),
    *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1"),
    *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::"),
    *("2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1"),
    *("4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1"),
    *("2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    """An address that anyone on the internet could call is public, also as an IPv4 address inside IPv6."""
    assert EgressPolicy().permits(address, host="name", port=443)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_other_addresses_may_not_be_called(address: str) -> None:
    """Internal addresses are blocked, and so are the IPv6 addresses that lead to them."""
    assert not EgressPolicy().permits(address, host="name", port=443)


@pytest.mark.parametrize(
    ("allowed", "address", "host", "port"),
    [
        ("10.0.0.0/8", "10.1.2.3", "anything", 1),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "anything", 1),
        ("10.1.2.3", "10.1.2.3", "10.1.2.3", 80),
        ("10.1.2.3:80", "10.1.2.3", "10.1.2.3", 80),
        ("::1", "::1", "::1", 80),
        ("[::1]", "::1", "::1", 80),
        ("[::1]:80", "::1", "::1", 80),
        ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1", 80),
        ("fd00::/8", "fd00::1", "anything", 80),
        ("fe80::/10", "fe80::1%1", "anything", 80),
        ("hooks.internal", "10.0.0.1", "hooks.internal", 8443),
        ("hooks.internal:8443", "10.0.0.1", "hooks.internal", 8443),
        ("Hooks.Internal.", "10.0.0.1", "hooks.internal", 80),
        ("hooks.internal", "10.0.0.1", "HOOKS.internal.", 80),
        ("bücher.internal", "10.0.0.1", "xn--bcher-kva.internal", 80),
        ("straße.internal", "10.0.0.1", "xn--strae-oqa.internal", 80),
        ("*.straße.internal.", "10.0.0.1", "a.xn--strae-oqa.internal", 80),
        ("::ffff:10.0.0.0/104", "10.0.0.1", "a", 80),
        ("::ffff:0:0/96", "::ffff:10.0.0.1", "a", 80),
        ("*.svc.internal", "10.0.0.1", "a.b.svc.internal", 80),
        (" 192.168.0.0/16 , , hooks.internal ", "192.168.0.1", "anything", 80),
    ],
)
def test_allowed_targets_may_be_called(allowed: str, address: str, host: str, port: int) -> None:
    """An entry is a network, an address or a name, for all ports or for one."""
    assert EgressPolicy(allowed=parse_rules(allowed)).permits(address, host=host, port=port)


@pytest.mark.parametrize(
    ("allowed", "address", "host", "port"),
    [
        ("10.0.0.0/8", "192.168.0.1", "10.0.0.1.internal", 80),
        ("10.0.0.0/8", "127.0.0.1", "anything", 80),
        ("10.0.0.0/8", "64:ff9b::10.0.0.1", "anything", 80),
        ("10.1.2.3:80", "10.1.2.3", "10.1.2.3", 81),
        ("hooks.internal:8443", "10.0.0.1", "hooks.internal", 443),
        ("hooks.internal", "10.0.0.1", "evil.hooks.internal", 443),
        ("hooks.internal", "10.0.0.1", "hooks.internal.evil", 443),
        ("*.svc.internal", "10.0.0.1", "svc.internal", 80),
        ("*.svc.internal", "10.0.0.1", "evilsvc.internal", 80),
    ],
)
def test_targets_that_no_entry_matches_stay_blocked(allowed: str, address: str, host: str, port: int) -> None:
    """An entry matches only its own addresses, names and port."""
    assert not EgressPolicy(allowed=parse_rules(allowed)).permits(address, host=host, port=port)


@pytest.mark.parametrize(
    ("denied", "address", "host"),
    [
        ("8.8.8.8", "8.8.8.8", "dns.example"),
        ("127.0.0.1", "127.0.0.1", "localhost"),
        ("127.0.0.0/8", "::ffff:127.0.0.1", "localhost"),
        ("127.0.0.0/8", "64:ff9b::127.0.0.1", "localhost"),
        ("127.0.0.0/8", "2002:7f00:1::", "localhost"),
        ("example.com:80", "1.1.1.1", "example.com"),
        ("*.example.com", "1.1.1.1", "www.example.com"),
        ("0.0.0.0/0,::/0", "1.1.1.1", "anything"),
    ],
)
def test_denied_targets_may_not_be_called(denied: str, address: str, host: str) -> None:
    """A denied target is blocked even if it is public or allowed."""
    allowed = parse_rules("0.0.0.0/0,::/0,localhost,example.com,www.example.com")
    assert EgressPolicy(allowed=allowed).permits(address, host=host, port=80)
    assert not EgressPolicy(allowed=allowed, denied=parse_rules(denied)).permits(address, host=host, port=80)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.0.1/8", "'10.0.0.1/8' is an address within a network; the network is 10.0.0.0/8"),
        ("10.0.0.0/33", "'10.0.0.0/33' is not a network"),
        ("10.0.0.0/8:80", "'10.0.0.0/8:80' is not a network"),
        ("localhost,1.2.3.4.5", "'1.2.3.4.5' is neither a network nor a host"),
        ("2130706433", "'2130706433' is neither a network nor a host"),
        ("http://hooks.internal", "'http://hooks.internal' is not a network"),
        ("a b", "'a b' is neither a network nor a host"),
        ("*.*.internal", "'*.*.internal' is neither a network nor a host"),
        ("*", "'*' is neither a network nor a host"),
        ("hooks.internal:", "'hooks.internal:' has no port from 1 to 65535 after its colon"),
        ("hooks.internal:0", "'hooks.internal:0' has no port from 1 to 65535 after its colon"),
        ("hooks.internal:99999", "'hooks.internal:99999' has no port from 1 to 65535 after its colon"),
        ("[::1", "'[::1' is not an address in brackets"),
        ("[::1]80", "'[::1]80' is not an address in brackets"),
    ],
)
def test_the_error_names_the_invalid_entry(text: str, why: str) -> None:
    """It also says what is wrong with the entry."""
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the test compares the whole message)
        parse_rules(text)
    assert str(refusal.value).startswith(why)
