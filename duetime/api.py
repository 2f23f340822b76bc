"""Runs `duetime api`: one API process."""

import errno
import logging
import os
import socket
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp

from db.settings import DatabaseSettings
from duetime import garbage
from duetime.command_name import command_name
from duetime.compat import BoundedWebSocketProtocol, SignalFreeServer, TimeoutHttpProtocol, is_own_fault
from duetime.errors import CannotStart
from duetime.lazy_imports import lazy_imports
from duetime.preflight import check_servers, has_active_key
from duetime.signals import on_stop
from graphql_api.settings import ApiSettings
from graphql_api.transport import message_limits
from jobs.settings import JobsSettings
from jobs.tracing_settings import TracingSettings

logger = logging.getLogger(__name__)
# How long a stopping API waits for responses and subscriptions to end by themselves.
GRACE = timedelta(seconds=10)
KEEP_ALIVE = timedelta(seconds=75)
LISTENER_VARIABLE = "DUETIME_LISTENER"


async def serve_api(database: DatabaseSettings, jobs: JobsSettings, api: ApiSettings, tracing: TracingSettings) -> None:
    """Serve the API until it is asked to stop.

    Raise CannotStart if the port is taken, if a server cannot be reached, or if the API listens beyond the loopback
    address and requires an API key, but no key exists.
    """
    with inherited_listener() or listen(api) as listener:
        await check_servers(database, jobs)
        await check_access(database, api)
        with lazy_imports():
            from graphql_api.app import create_app  # noqa: PLC0415 (takes half a second; the checks come first)

        logging.getLogger("uvicorn.error").addFilter(is_own_fault)
        app = create_app(database, jobs, api, tracing=tracing)
        garbage.calm()
        server = SignalFreeServer(
            configuration(app, grace=GRACE, proxies=api.proxies, keep_alive=timedelta(seconds=api.keep_alive_seconds))
        )

        def stop() -> None:
            server.should_exit = True
            app.state.end_streams()

        on_stop(stop)
        await server.serve(sockets=[listener])
        if not server.started:
            raise CannotStart("the API could not start; the log above says why")


async def check_access(database: DatabaseSettings, api: ApiSettings) -> None:
    """Log a warning if every request would be rejected, or if the API is open to the network.

    Raise CannotStart if every request would be rejected and the API listens beyond the loopback address.
    """
    if api.keys_wanted:
        if await has_active_key(database):
            return
        if not api.on_loopback:
            raise CannotStart(
                "an API key is required (DUETIME_AUTH=keys, or HOST is not a loopback address), and there is no active "
                f"key; create one with `{command_name()} keys create --name NAME --scope admin`, or set "
                "DUETIME_AUTH=off"
            )
        logger.warning(
            "The API rejects every request, because it requires an API key and there is no active key; create one.",
            extra={"action": "no_keys", "command": f"{command_name()} keys create --name NAME --scope admin"},
        )
    elif not api.on_loopback:
        logger.warning(
            "Anyone who can reach the API has full access, because DUETIME_AUTH is off and HOST is not a loopback "
            "address.",
            extra={"action": "keys_off", "host": api.host},
        )


def configuration(
    app: ASGIApp,
    *,
    grace: timedelta,
    proxies: str = "",
    keep_alive: timedelta = KEEP_ALIVE,
    protocol: type[TimeoutHttpProtocol] = TimeoutHttpProtocol,
    websocket_protocol: type[BoundedWebSocketProtocol] = BoundedWebSocketProtocol,
) -> uvicorn.Config:
    """Return the uvicorn configuration that serves the app, with `grace` for a graceful shutdown.

    A connection may be idle for `keep_alive` between requests. A proxy has to close its connections sooner than that,
    or it sends a
    request over a connection that is being closed, and responds with 502.

    Any client can send X-Forwarded-For, so the header is trusted only when it comes from one of the `proxies`.
    WebSockets are not compressed, because a short compressed message can be long.
    """
    return uvicorn.Config(
        app,
        http=protocol,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        forwarded_allow_ips=proxies,
        ws=websocket_protocol,
        ws_max_size=message_limits.MAX_BYTES_BEFORE_ACK,
        ws_per_message_deflate=False,
        timeout_keep_alive=int(keep_alive.total_seconds()),
        timeout_graceful_shutdown=int(grace.total_seconds()),
    )


def inherited_listener() -> socket.socket | None:
    """Return the listening socket that `up` passed to this process, or None if `up` did not start it.

    `up` holds the port from its first moment to its last, so no other program receives requests meant for Duetime.
    """
    descriptor = os.environ.pop(LISTENER_VARIABLE, "")
    return socket.socket(fileno=int(descriptor)) if descriptor else None


def listen(api: ApiSettings) -> socket.socket:
    """Return a socket that listens on the API's address. Raise CannotStart if the address is wrong or in use."""
    unknown_host = f"HOST={api.host}: is no address of this machine; 127.0.0.1 and 0.0.0.0 are common values"
    try:
        family, _, _, _, address = socket.getaddrinfo(
            api.host, api.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except socket.gaierror:
        raise CannotStart(unknown_host) from None
    except PermissionError:
        raise CannotStart(f"PORT={api.port}: needs more privileges than this user has; use one above 1023") from None
    except OSError as error:
        if error.errno in {errno.EADDRNOTAVAIL, errno.EINVAL}:
            raise CannotStart(unknown_host) from None
        raise CannotStart(
            f"PORT={api.port}: is in use by another program on {api.host} ({error.strerror}); stop that program, or "
            "use another port"
        ) from None
    # Accepted connections inherit this option. asyncio sets it only on sockets that were created with an explicit
    # protocol, and without it the body of a response waits until the client acknowledges the head, which takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
