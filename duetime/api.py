"""`duetime api`: one API process."""

import errno
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp

from db.settings import DatabaseSettings
from duetime.errors import CannotStart
from duetime.http_protocol import TimeoutHttpProtocol
from duetime.preflight import check_servers, somebody_may_enter
from duetime.signals import on_stop
from graphql_api.middleware import header_limits
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings

LOG = logging.getLogger(__name__)
# How long a stopping API lets answers that are under way, and subscriptions, end by themselves.
GRACE = timedelta(seconds=10)
# Of one message of a websocket: what GraphQL takes over HTTP, too.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
NOBODY = (
    "nobody could get in: keys are wanted (DUETIME_AUTH=keys, or HOST beyond the loopback address), and there is none "
    "in force; make one with `duetime keys create --name NAME --scope admin`"
)


class Server(uvicorn.Server):
    """uvicorn's server without its own signals: it would raise them once more after a clean end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone; `on_stop` has them."""
        yield


async def serve_api(database: DatabaseSettings, jobs: JobsSettings, api: ApiSettings) -> None:
    """Serves until it is asked to stop.

    CannotStart when the port is taken or a server cannot be reached, and, beyond the loopback address, when nobody
    could get in.
    """
    with listen(api) as listener:
        await check_servers(database, jobs)
        if api.keys_wanted:
            if not await somebody_may_enter(database):
                if not api.on_loopback:
                    raise CannotStart(f"{NOBODY}, or set DUETIME_AUTH=off")
                LOG.warning("%s. action=no_keys", NOBODY)
        elif not api.on_loopback:
            LOG.warning(
                "Anybody who reaches the API may do everything: DUETIME_AUTH=off, and HOST=%s is no loopback address. "
                "action=keys_off",
                api.host,
            )
        from graphql_api.app import create_app  # noqa: PLC0415 (half a second that a refusal above need not wait for)

        app = create_app(database, jobs, api)
        server = Server(configuration(app, grace=GRACE, proxies=api.proxies))

        def stop() -> None:
            server.should_exit = True
            app.state.end_streams()

        on_stop(stop)
        await server.serve(sockets=[listener])
        if not server.started:
            raise CannotStart("the API could not start; the log above says why")


def configuration(
    app: ASGIApp, *, grace: timedelta, proxies: str = "", protocol: type[TimeoutHttpProtocol] = TimeoutHttpProtocol
) -> uvicorn.Config:
    """How uvicorn serves the app. When it stops, it lets go on for `grace` what is under way.

    Whoever can connect could name any address in X-Forwarded-For, so only `proxies` are believed.
    """
    return uvicorn.Config(
        app,
        http=protocol,
        h11_max_incomplete_event_size=header_limits.MAX_BYTES,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        forwarded_allow_ips=proxies,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        timeout_graceful_shutdown=int(grace.total_seconds()),
    )


def listen(api: ApiSettings) -> socket.socket:
    """A socket that listens on the API's address. CannotStart when the address is wrong or its port taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            api.host, api.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except socket.gaierror:
        raise CannotStart(f"HOST={api.host}: is no address of this machine; 127.0.0.1 and 0.0.0.0 are usual") from None
    except PermissionError:
        raise CannotStart(f"PORT={api.port}: needs more rights than we have; choose one above 1023") from None
    except OSError as error:
        if error.errno in {errno.EADDRNOTAVAIL, errno.EINVAL}:
            raise CannotStart(
                f"HOST={api.host}: is no address of this machine; 127.0.0.1 and 0.0.0.0 are usual"
            ) from None
        raise CannotStart(
            f"PORT={api.port}: is in use by another program on {api.host} ({error.strerror}); stop it, or "
            "choose another port"
        ) from None
    # Its connections inherit this. asyncio sets it only for sockets that name their protocol, and without it the body
    # of an answer waits until its head is acknowledged, which takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
