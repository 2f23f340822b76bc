"""URLs for server-side request forgery: they lead a service to addresses that it must not call."""

from collections.abc import Sequence

NAMES = {
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "private.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "one-of-two.example": ["93.184.215.14", "127.0.0.1"],
    "one-of-both.example": ["93.184.215.14", "::1"],
    "zero.example": ["0.0.0.0"],
}


def addresses(port: int) -> Sequence[str]:
    """Return URLs of addresses that are not allowed. `port` belongs to a test server, which would see such a call."""
    hosts = [
        # loopback in every spelling
        *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "017700000001", "0x7f000001", "0x7f.1"),
        *("0177.0.0.1", "0x7f.0x0.0x0.0x1", "127.0.0.01", "127.000.000.001", "127.0.0.1.", "localhost", "LOCALHOST."),
        "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
        "127\u30020\uff0e0\uff611",
        *("[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]", "0.0.0.0", "0", "00000000000"),
        # IPv4 inside IPv6
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[::7f00:1]"),
        *("[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]", "[64:ff9b::127.0.0.1]"),
        *("[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]", "[fec0::1]", "[2606:4700::5efe:7f00:1]"),
        # metadata services
        *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "[::ffff:a9fe:a9fe]"),
        *("[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
        # private, shared, special
        *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "198.18.0.1"),
        *("192.88.99.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *(
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[100::1]",
            "[3fff::1]",
            "[5f00::1]",
        ),
        *NAMES,
        *("PRIVATE.example", "private.example.", "metadata\u3002example"),
    ]
    return [f"http://{host}:{port}/" for host in hosts] + [f"https://127.0.0.1:{port}/"]


def forms(port: int) -> Sequence[str]:
    """Return URLs that are refused because of their form, whatever their address."""
    return [
        f"http://user:password@127.0.0.1:{port}/",
        f"http://public.example@127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}@public.example/",
        f"http://127.0.0.1:{port}\\@public.example/",
        f"http://public.example\r\nHost: 127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}/\x00",
        f"http://127.0.0.1\t:{port}/",
        f"http://[fe80::1%25eth0]:{port}/",
        f"http://[::1]{port}/",
        f"http://1.2.3.4.5:{port}/",
        f"http://256.256.256.256:{port}/",
        f"http://127.0.0.1%2f@public.example:{port}/",
        f"http:/127.0.0.1:{port}/",
        f"http:127.0.0.1:{port}",
        f"//127.0.0.1:{port}/",
        f"gopher://127.0.0.1:{port}/_",
        f"dict://127.0.0.1:{port}/",
        f"ftp://127.0.0.1:{port}/",
        "file:///etc/passwd",
        "unix:///run/docker.sock",
        "data:text/plain,x",
        "http://",
        "http:///",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
    ]
