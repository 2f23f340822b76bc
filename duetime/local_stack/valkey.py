"""The embedded Valkey, on a free port of the loopback address, with a password that lasts as long as the command."""

import secrets
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.guarded_server import Guarded, start_guarded, until_ready
from duetime.local_stack.place import Place

STOP = (("SIGTERM", 5.0),)
READY_WITHIN = timedelta(seconds=30)


class Valkey:
    """One server on one port, which stays the same when the server is started again."""

    def __init__(self, place: Place, folder: DataFolder, *, port: int) -> None:
        self.place = place
        self.folder = folder
        self.port = port
        self.log = folder.log("valkey")
        self.password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Where it listens, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def configuration(self) -> str:
        """Nothing is saved: it holds wake-ups and pokes alone, and an empty one is filled again from Postgres."""
        return f'bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\nsave ""\nappendonly no\n'

    async def start(self) -> Guarded:
        """Starts the server and waits until it answers. CannotStart when it ends before that."""
        server = await start_guarded(
            # From stdin: the password is seen neither in the list of processes nor on disk.
            [self.place.binaries.valkey, "-"],
            stop=STOP,
            account=self.place.account,
            log=self.log,
            lock=self.folder.lock,
            stdin=self.configuration,
        )
        await until_ready(server, self._answers, within=READY_WITHIN, name="Valkey", log=self.log)
        return server

    async def _answers(self) -> bool:
        async with Redis.from_url(self.url) as client:
            try:
                await client.ping()
            except (RedisError, OSError):
                return False
            return True
