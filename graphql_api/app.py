"""The API process: GraphQL and REST over one Postgres and one Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute

from db.connection import open_engine, single_statements
from db.readers import Readers
from db.settings import DatabaseSettings
from graphql_api import health, metrics, request_body
from graphql_api.context import Services
from graphql_api.database_clock import following_database
from graphql_api.document_store import DocumentStore
from graphql_api.events import tail
from graphql_api.execution.schema import schema as default_schema
from graphql_api.middleware.access_log import AccessLogMiddleware
from graphql_api.middleware.api_keys import Authenticator
from graphql_api.middleware.authentication import AuthenticationMiddleware
from graphql_api.middleware.compression import CompressionMiddleware
from graphql_api.middleware.header_limits import HeaderLimitMiddleware
from graphql_api.middleware.internal_errors import InternalErrors
from graphql_api.middleware.origins import OriginMiddleware
from graphql_api.middleware.request_ids import HEADER, RequestIdMiddleware
from graphql_api.pages import dashboard, swagger
from graphql_api.pages.playground import Assets, Playground
from graphql_api.responses import refusal
from graphql_api.rest import openapi
from graphql_api.rest.operations import BASE
from graphql_api.rest.results import RESULTS
from graphql_api.rest.runs import RUNS
from graphql_api.rest.tasks import TASKS
from graphql_api.settings import ApiSettings
from graphql_api.transport.http import Endpoint
from graphql_api.transport.sdl import sdl_route
from jobs.engine.trial import Trials
from jobs.http.resolver import Lookup, TargetChecker, system_lookup
from jobs.maintenance.reporting import reporting
from jobs.notifications.duties import watching
from jobs.queue import Queue
from jobs.settings import JobsSettings
from jobs.tasks import creation
from jobs.tracing_settings import TracingSettings

POOL_SIZE = 10
READERS = 6
"""How many of them stay open for lists."""
AT_BOTH = [*health.ROUTES, *metrics.ROUTES]
"""Routes that the old service had both at the root and under /api/v1."""


def create_app(
    database: DatabaseSettings,
    jobs: JobsSettings,
    api: ApiSettings,
    *,
    lookup: Lookup = system_lookup,
    body_within: timedelta = request_body.WITHIN,
    tracing: TracingSettings | None = None,
) -> Starlette:
    """Return the app. It opens its connections when it starts and closes them when it ends.

    `lookup` resolves the names of targets; `body_within` is how long the body of a request may take; with
    `tracing`, requests are traced if the settings say so. Raises `ValueError` when the settings name no Redis.
    """
    if jobs.redis_url is None:
        raise ValueError("REDIS_URL names no Redis")
    redis_url = jobs.redis_url
    targets = TargetChecker(jobs.egress_policy, lookup=lookup)
    schema = default_schema.within(api)
    process_id = uuid4()
    tracer, end_tracing = traced(tracing, process_id)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        engine = open_engine(
            database.url(),
            pool_size=POOL_SIZE,
            application_name="duetime api",
            pooler=database.database_pooler,
            slow_statement=database.slow_statement,
        )
        statements = single_statements(engine, database.database_pooler)
        # A pooler that shares connections by transaction has a use for each one in between.
        readers = None if database.database_pooler == "transaction" else Readers(statements, kept=READERS)
        queue, documents = Queue.open(redis_url), DocumentStore.open(redis_url, quota=api.max_persisted)
        try:
            authenticator = Authenticator(engine, keys_wanted=api.keys_wanted)
            async with (
                following_database(engine),
                tail.following(engine, queue) as follower,
                authenticator.watching(),
                watching(engine, jobs, lookup=lookup) as sender,
                reporting("api", process_id=process_id, engine=engine, parts=[follower.lag, sender.attempts]),
            ):
                app.state.services = Services(
                    engine=engine,
                    single_statements=statements,
                    readers=readers,
                    queue=queue,
                    documents=documents,
                    tail=follower,
                    targets=targets,
                    secrets=jobs.secrets,
                    authenticator=authenticator,
                    creations=creation.creations(statements),
                    trials=Trials(caller=sender.caller, secrets=jobs.secrets),
                    body_within=body_within,
                    sender=sender,
                    public_url=jobs.public_url or None,
                    settings=jobs,
                )
                yield
        finally:
            await schema.result_cache.close()
            await documents.close()
            await queue.close()
            if readers is not None:
                await readers.close()
            await engine.dispose()
            await end_tracing()

    graphql = Endpoint(schema, playground=Playground(enabled=api.playground))
    app = Starlette(
        # The paths that are asked for most come first, because each is compared with the request's until one fits.
        routes=[
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            Mount(BASE, routes=[*TASKS.routes(), *RUNS.routes(), *RESULTS.routes(), *AT_BOTH]),
            *dashboard.ROUTES,
            sdl_route(schema, shown=api.introspection),
            Mount("/assets", Assets()),
            *AT_BOTH,
            *openapi.ROUTES,
            *swagger.ROUTES,
        ],
        middleware=[
            *tracer,
            Middleware(RequestIdMiddleware),
            *([Middleware(AccessLogMiddleware)] if api.access_log else []),
            Middleware(
                OriginMiddleware,
                origins=api.origins,
                names_this_machine=api.on_loopback and not api.keys_wanted,
                own_site_only=not api.keys_wanted,
            ),
            Middleware(InternalErrors),
            Middleware(CompressionMiddleware),
            Middleware(HeaderLimitMiddleware),
            *cross_origin(api),
            Middleware(AuthenticationMiddleware),
        ],
        exception_handlers={HTTPException: show_http_exception},
        lifespan=lifespan,
    )
    app.state.end_streams = graphql.end_streams
    return app


def traced(
    settings: TracingSettings | None, process_id: UUID
) -> tuple[list[Middleware], Callable[[], Awaitable[None]]]:
    """Return the middleware that traces requests, if that is wanted, and what sends the last traces."""
    if settings is None or settings.exporter is None:
        return [], do_nothing
    from graphql_api.middleware.tracing import TracingMiddleware  # noqa: PLC0415 (optional)
    from jobs.tracing import Tracing  # noqa: PLC0415 (optional)

    tracing = Tracing("api", process_id=process_id, settings=settings)
    return [Middleware(TracingMiddleware, tracer=tracing.tracer)], tracing.close


async def do_nothing() -> None:
    """Do nothing."""


def cross_origin(api: ApiSettings) -> list[Middleware]:
    """Return the middleware that lets pages of the configured origins use the API, if there are any."""
    if not api.origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=api.origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=api.cross_origin_headers,
            expose_headers=[HEADER, "ETag", "Retry-After", "WWW-Authenticate"],
            max_age=3_600,
        )
    ]


async def show_http_exception(request: Request, error: Exception) -> Response:
    """Return the error of an unknown path, or of a method that a path does not accept."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return refusal(404, f"There is nothing at {request.url.path}")
    if error.status_code == 405:
        allowed = ", ".join(sorted(Headers(error.headers).get("allow", "").split(", ")))
        return refusal(405, f"{request.url.path} takes {allowed}, not {request.method}", allow=allowed)
    return refusal(error.status_code, error.detail)
