"""Runs `duetime api`: one API process."""

import logging
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp

from db.settings import DatabaseSettings
from duetime import garbage
from duetime.compat import BoundedWebSocketProtocol, SignalFreeServer, TimeoutHttpProtocol, is_own_fault
from duetime.errors import CannotStart
from duetime.lazy_imports import lazy_imports
from duetime.listener import GRACE, inherited_listener, listen
from duetime.preflight import check_access, check_servers
from duetime.signals import on_stop
from graphql_api.settings import ApiSettings
from graphql_api.transport import message_limits
from jobs.settings import JobsSettings
from jobs.tracing_settings import TracingSettings

KEEP_ALIVE = timedelta(seconds=75)


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
            server.stop()
            app.state.end_streams()

        on_stop(stop)
        await server.serve(sockets=[listener])
        if not server.started:
            raise CannotStart("the API could not start; the log above says why")


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
    or it sends a request over a connection that is being closed, and responds with 502.

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
