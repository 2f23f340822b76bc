"""Redis servers and Sentinels with a configuration of their own, from the wheel of Valkey or from Debian."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from duetime.local_stack.binaries import find_binaries
from tests.support.ports import free_port
from tests.support.waiting import wait_for

EMBEDDED = str(find_binaries(postgres_bin=None, valkey_bin=None).valkey)
DEBIAN = shutil.which("redis-server")
PRIMARY = "duetime-primary"
PASSWORD, SENTINEL_PASSWORD = "hidden/pass@word", "of-sentinels"
COMMON = ("bind 127.0.0.1", "protected-mode no", 'save ""', "appendonly no")


@dataclass(slots=True, kw_only=True)
class RedisServer:
    """A running server. `arguments` are those with which the test's own client connects."""

    port: int
    process: subprocess.Popen[bytes]
    arguments: dict[str, object] = field(default_factory=dict)

    def client(self, **more: object) -> Redis:
        """Return a client of the test's own, which has all rights."""
        return Redis(host="127.0.0.1", port=self.port, decode_responses=True, **self.arguments | more)  # type: ignore[arg-type]

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def redis_server(
    *lines: str, program: str = EMBEDDED, sentinel: bool = False, plain: bool = True, **arguments: object
) -> Iterator[RedisServer]:
    """Run a server with these lines in its configuration. Without `plain` the lines name the port for TLS."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        configuration, log = Path(name) / "server.conf", Path(name) / "log"
        text = [*COMMON[: 2 if sentinel else None], f"dir {name}", f"port {port if plain else 0}", *lines]
        if not plain:
            text.append(f"tls-port {port}")
        configuration.write_text("\n".join((*text, "")))
        with log.open("wb") as output:
            command = [program, str(configuration), *(["--sentinel"] if sentinel else [])]
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        server = RedisServer(port=port, process=process, arguments=arguments)

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                with server.client() as client:
                    return bool(client.ping())
            except RedisError:
                return False

        try:
            wait_for(answers, what="the Redis server answers")
            yield server
        finally:
            server.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A primary and a replica that three Sentinels watch."""

    primary: RedisServer
    replica: RedisServer
    sentinels: Sequence[RedisServer]

    @property
    def url(self) -> str:
        """Return the URL that names the Sentinels. The first of them does not exist."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in (free_port(), *(each.port for each in self.sentinels)))
        password = PASSWORD.replace("/", "%2F").replace("@", "%40")
        return f"redis+sentinel://:{password}@{hosts}/{PRIMARY}/1?sentinel_password={SENTINEL_PASSWORD}"

    def primary_port(self) -> int:
        """Return the port of the primary, as a Sentinel has it."""
        with self.sentinels[0].client() as client:
            _, port = client.sentinel_get_master_addr_by_name(PRIMARY)
            return int(port)


@contextmanager
def watched_redis(program: str) -> Iterator[Watched]:
    """Run the servers, and Sentinels that notice within half a second that the primary is gone."""
    secret = (f'requirepass "{PASSWORD}"', f'masterauth "{PASSWORD}"')
    with ExitStack() as running:
        primary = running.enter_context(redis_server(*secret, program=program, password=PASSWORD))
        replica = running.enter_context(
            redis_server(*secret, f"replicaof 127.0.0.1 {primary.port}", program=program, password=PASSWORD)
        )
        lines = (
            f"sentinel monitor {PRIMARY} 127.0.0.1 {primary.port} 2",
            f'sentinel auth-pass {PRIMARY} "{PASSWORD}"',
            f"sentinel down-after-milliseconds {PRIMARY} 500",
            f"sentinel failover-timeout {PRIMARY} 3000",
            f"requirepass {SENTINEL_PASSWORD}",
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
        )
        sentinels = [
            running.enter_context(redis_server(*lines, program=program, sentinel=True, password=SENTINEL_PASSWORD))
            for _ in range(3)
        ]

        def know_each_other() -> bool:
            found = []
            for sentinel in sentinels:
                with sentinel.client() as client:
                    found.append(client.sentinel_master(PRIMARY))
            return all(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2 for state in found)

        wait_for(know_each_other, what="the Sentinels know each other and the replica", within=30)
        yield Watched(primary=primary, replica=replica, sentinels=sentinels)
