"""Settings: their sources, their values, and the errors of wrong ones."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from db.connection_strings import dsn, one_per_host, parse_database_url
from db.settings import DatabaseSettings
from duetime.doctor import SETTINGS
from duetime.errors import CannotStart
from duetime.settings import DuetimeSettings, LogSettings, read
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support import settings_page

ROOT = Path(__file__).parents[2]
SECRET = "s3cr/et-w0rd"


@pytest.fixture(autouse=True)
def in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Change to a folder without a `.env`, from which settings would be read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def set_environment(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """Set environment variables until the end of the test."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("settings", "environment", "message"),
    [
        (ApiSettings, {"PORT": "http"}, "PORT=http: must be a whole number from 1 to 65535"),
        (ApiSettings, {"FORWARDED_ALLOW_IPS": "10.1.0.7,proxy"}, "'proxy' is no address or network"),
        (ApiSettings, {"PORT": "0"}, "PORT=0: must be a whole number from 1 to 65535"),
        (ApiSettings, {"PORT": "65536"}, "PORT=65536: must be a whole number from 1 to 65535"),
        (DatabaseSettings, {"DB_HOST": "db", "DB_PORT": "-1"}, "DB_PORT=-1: must be a whole number from 1 to 65535"),
        (
            DatabaseSettings,
            {"DB_SSLMODE": "on"},
            "DB_SSLMODE=on: sslmode must be one of disable, allow, prefer, require",
        ),
        (DatabaseSettings, {"DATABASE_URL": SECRET}, "DATABASE_URL: cannot be read; write postgresql://user:"),
        (DatabaseSettings, {"DATABASE_URL": f"mysql://u:{SECRET}@h/d"}, "DATABASE_URL: must begin with postgresql://"),
        (DatabaseSettings, {"DATABASE_URL": f"postgres://u:{SECRET}@h:x/d"}, "DATABASE_URL: cannot be read"),
        (DatabaseSettings, {"DATABASE_URL": f"postgres://u:{SECRET}@h:0/d"}, "DATABASE_URL: the port must be a whole"),
        (
            DatabaseSettings,
            {"DATABASE_URL": f"postgres://u:a@{SECRET}@h/d"},
            "special characters in the password percent",
        ),
        (DatabaseSettings, {"DATABASE_URL": f"postgres://u:{SECRET}@h/d?sslmode=on"}, "sslmode must be one of disable"),
        (
            DatabaseSettings,
            {"DATABASE_URL": f"postgres://u:{SECRET}@h/d?pool=9"},
            "the parameter pool is not known to libpq",
        ),
        (DatabaseSettings, {"DATABASE_URL": f"postgres://u:1?a={SECRET}@h/d"}, "special characters in the password"),
        (DatabaseSettings, {"DATABASE_URL": "postgres://h/d@x"}, "special characters in the password"),
        (
            DatabaseSettings,
            {"DATABASE_URL": "postgres://h/d?sslrootcert=/x"},
            "the file /x of the parameter sslrootcert",
        ),
        (DatabaseSettings, {"DATABASE_URL": "postgres://h/d?connect_timeout=soon"}, "connect_timeout must be a whole"),
        (
            DatabaseSettings,
            {"DATABASE_URL": "postgres://h/d?target_session_attrs=x"},
            "target_session_attrs must be one",
        ),
        (
            DatabaseSettings,
            {"DATABASE_URL": "postgres://a,b/d?port=1,2,3"},
            "port must be one port, or as many as there",
        ),
        (DatabaseSettings, {"DATABASE_URL": "postgres://a,,b/d"}, "one of the hosts has no name"),
        (
            DatabaseSettings,
            {"DATABASE_POOLER": "statement"},
            "DATABASE_POOLER=statement: must be session or transaction",
        ),
        (LogSettings, {"DUETIME_LOG_LEVEL": "loud"}, "DUETIME_LOG_LEVEL=loud: must be debug, info, warning or error"),
        (LogSettings, {"DUETIME_LOG_FORMAT": "xml"}, "DUETIME_LOG_FORMAT=xml: must be text or json"),
        (ApiSettings, {"DUETIME_ACCESS_LOG": "some"}, "DUETIME_ACCESS_LOG=some: must be true or false"),
        (
            DatabaseSettings,
            {"DUETIME_SLOW_STATEMENT_MS": "-1"},
            "DUETIME_SLOW_STATEMENT_MS=-1: must be a whole number from 0 to 3600000",
        ),
        (JobsSettings, {"REDIS_URL": "http://h:6379"}, "REDIS_URL: must begin with redis:// or rediss://"),
        (JobsSettings, {"REDIS_URL": f"redis://:{SECRET}@h"}, "special characters in the password percent-encoded"),
        (JobsSettings, {"REDIS_URL": "redis://h:port"}, "REDIS_URL: cannot be read; write redis://user:password@"),
        (JobsSettings, {"REDIS_URL": "redis://h:0"}, "REDIS_URL: the port must be a whole number from 1 to 65535"),
        (JobsSettings, {"REDIS_URL": "redis:///0"}, "REDIS_URL: has no host"),
        (JobsSettings, {"REDIS_URL": "redis://h/cache"}, "REDIS_URL: the database must be a number"),
        (JobsSettings, {"REDIS_URL": "redis://h/0?db=1"}, "REDIS_URL: takes no parameter 'db', only ssl_ca_certs, "),
        (JobsSettings, {"REDIS_URL": "redis://h/0#x"}, "REDIS_URL: has a part after #"),
        (JobsSettings, {"REDIS_URL": "redis://h,i"}, "REDIS_URL: has several hosts, which only Sentinels may be"),
        (JobsSettings, {"REDIS_URL": "redis+sentinel://a,b"}, "has no name of the primary; write redis+sentinel://"),
        (JobsSettings, {"REDIS_URL": "redis+sentinel://a,/m"}, "REDIS_URL: has no host; write redis+sentinel://"),
        (JobsSettings, {"REDIS_URL": "redis+sentinel://a/m/x"}, "REDIS_URL: the database must be a number"),
        (JobsSettings, {"REDIS_URL": "redis+sentinel://a:99999/m"}, "the port must be a whole number from 1 to 65535"),
        (JobsSettings, {"REDIS_URL": "redis://h?ssl_ca_certs=/x"}, "ssl_ca_certs without TLS; begin with rediss://"),
        (
            JobsSettings,
            {"REDIS_URL": "rediss://h?ssl_ca_certs=/x"},
            "the file /x of the parameter ssl_ca_certs cannot be",
        ),
        (JobsSettings, {"REDIS_URL": "rediss://h?ssl_cert_reqs=maybe"}, "ssl_cert_reqs must be one of required, "),
        (JobsSettings, {"REDIS_URL": "redis://h?sentinel_password=x"}, "takes no parameter 'sentinel_password'"),
        (JobsSettings, {"DUETIME_SLOTS": "1"}, "DUETIME_SLOTS=1: must be a whole number from 2 to 1000"),
        (JobsSettings, {"DUETIME_SLOTS": "1001"}, "DUETIME_SLOTS=1001: must be a whole number from 2 to 1000"),
        (JobsSettings, {"DUETIME_SLOTS": "2.5"}, "DUETIME_SLOTS=2.5: must be a whole number from 2 to 1000"),
        (JobsSettings, {"DUETIME_GRACE_SECONDS": "soon"}, "DUETIME_GRACE_SECONDS=soon: must be a number of seconds"),
        (
            JobsSettings,
            {"DUETIME_TARGETS_ALLOWED": "::1,10.0.0.1/8"},
            "DUETIME_TARGETS_ALLOWED=::1,10.0.0.1/8: '10.0.0.1/8' is",
        ),
        (
            JobsSettings,
            {"DUETIME_PUBLIC_URL": "duetime.example.com"},
            "DUETIME_PUBLIC_URL=duetime.example.com: must be an address such as https://duetime.example.com, without ?",
        ),
        (
            JobsSettings,
            {"DUETIME_TARGETS_DENIED": "a b"},
            "DUETIME_TARGETS_DENIED=a b: 'a b' is neither a network nor a",
        ),
        (JobsSettings, {"DUETIME_GRACE_SECONDS": "nan"}, "DUETIME_GRACE_SECONDS=nan: must be a number of seconds"),
        (
            DuetimeSettings,
            {"DUETIME_POSTGRES_BIN": "/dev"},
            "DUETIME_POSTGRES_BIN=/dev: must be a folder that contains",
        ),
        (DuetimeSettings, {"DUETIME_VALKEY_BIN": "/dev"}, "DUETIME_VALKEY_BIN=/dev: must be the path of the program"),
    ],
)
def test_a_wrong_setting_is_one_line_of_error(
    settings: type[BaseSettings], environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the variable and the accepted values, and never contains a password."""
    set_environment(monkeypatch, environment)

    with pytest.raises(CannotStart) as raised:
        read(settings)

    line = str(raised.value)
    assert message in line
    assert "\n" not in line
    assert SECRET not in line


def test_all_wrong_settings_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users can correct all their mistakes before they try again."""
    set_environment(monkeypatch, {"DUETIME_SLOTS": "0", "REDIS_URL": "nowhere"})

    with pytest.raises(CannotStart, match=r"REDIS_URL: .*; DUETIME_SLOTS=0: .*"):
        read(JobsSettings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql://u:p@h:6543/d?sslmode=require", "postgresql://u:p@h:6543/d?sslmode=require"),
        ("postgresql+asyncpg://u@[::1]:5432/d?ssl=disable", "postgresql://u@[::1]:5432/d?sslmode=disable"),
        ("postgres://u:p%40s%2Fs%25@h/d", "postgresql://u:p%40s%2Fs%25@h/d"),
        ("postgres://u:p/s#%25@h/d", "postgresql://u:p%2Fs%23%25@h/d"),
        ("postgres://u:p@h/d?ssl=true", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://h?dbname=d&user=u&password=p%26&port=6", "postgresql://u:p%26@h:6/d"),
        ("postgresql://%2Frun%2Fpostgresql/d", "postgresql:///d?host=%2Frun%2Fpostgresql"),
        ("postgresql://u@/d?host=/run/postgresql&port=6", "postgresql://u@/d?host=%2Frun%2Fpostgresql&port=6"),
        ("postgresql://", "postgresql://"),
        ("postgresql://u@h:6/", "postgresql://u@h:6"),
        (
            "postgresql:///d?service=s&passfile=/p&options=-c%20a%3Db",
            "postgresql:///d?service=s&passfile=%2Fp&options=-c+a%3Db",
        ),
        ("postgres://u@h/d?channel_binding=require&keepalives=1&sslsni=1", "postgresql://u@h/d"),
    ],
)
def test_database_url_accepts_all_common_forms(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosting services use libpq's schemes and parameters; asyncpg reads the result."""
    set_environment(monkeypatch, {"DATABASE_URL": text, "DB_HOST": "other"})

    settings = read(DatabaseSettings)

    assert settings.is_named
    assert dsn(settings.url()).removesuffix("?") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u@a:1,b:2/d", ["postgresql://u@a:1/d", "postgresql://u@b:2/d"]),
        ("postgresql://a,b/d?port=1,2", ["postgresql://a:1/d", "postgresql://b:2/d"]),
        ("postgresql:///d?host=a,[::1]&port=3", ["postgresql://a:3/d", "postgresql://[::1]:3/d"]),
        (
            "postgresql:///d?host=/run,b&sslmode=require",
            ["postgresql:///d?sslmode=require&host=%2Frun", "postgresql://b/d?sslmode=require"],
        ),
    ],
)
def test_several_hosts(text: str, expected: list[str]) -> None:
    """Each host has its port, and the parameters are those of all."""
    assert [dsn(url).removesuffix("?") for url in one_per_host(parse_database_url(text))] == expected


def test_parameters_without_a_counterpart_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parameter that libpq takes is no reason to refuse the connection, and the start names it."""
    both = {"DATABASE_URL": "postgres://h/d?channel_binding=require&sslmode=require"}
    both["DUETIME_MIGRATE_DATABASE_URL"] = "postgres://o@h/d?keepalives=1"
    set_environment(monkeypatch, both)

    assert read(DatabaseSettings).unused_parameters == ["channel_binding", "keepalives"]


def test_the_database_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password needs no escaping."""
    set_environment(
        monkeypatch, {"DB_HOST": "db", "DB_USER": "me", "DB_PASSWORD": "a@b:c/d?e#f%", "DB_NAME": "n", "DB_PORT": "6"}
    )

    url = read(DatabaseSettings).url()

    assert (url.host, url.username, url.password, url.database, url.port) == ("db", "me", "a@b:c/d?e#f%", "n", 6)
    assert url.query == {"ssl": "prefer"}


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("DB_HOST", "postgresql://postgres:postgres@x:5432/task_scheduler"),
        ("DB_USER", "postgresql://x:postgres@localhost:5432/task_scheduler"),
        ("DB_PASSWORD", "postgresql://postgres:x@localhost:5432/task_scheduler"),
        ("DB_NAME", "postgresql://postgres:postgres@localhost:5432/x"),
    ],
)
def test_each_variable_of_the_old_service_means_a_server(
    variable: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have the defaults that the old service documents."""
    set_environment(monkeypatch, {variable: "x"})

    settings = read(DatabaseSettings)

    assert settings.is_named
    assert settings.parts == [variable]
    assert dsn(settings.url()) == f"{expected}?sslmode=prefer"


def test_without_a_variable_no_database_is_configured() -> None:
    """The defaults of the variables do not count."""
    settings = read(DatabaseSettings)

    assert not settings.is_named
    with pytest.raises(ValueError, match="set DATABASE_URL"):
        settings.url()


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files pass unset variables as empty ones."""
    set_environment(monkeypatch, {"DATABASE_URL": "", "DB_HOST": "", "REDIS_URL": "", "PORT": "", "DUETIME_SLOTS": ""})

    assert not read(DatabaseSettings).is_named
    assert read(JobsSettings).redis_url is None
    assert read(JobsSettings).slots == 600
    assert read(ApiSettings).port == 8080


def test_a_dotenv_file_is_read_and_the_environment_wins(
    in_an_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.env` is read from the current folder."""
    (in_an_empty_folder / ".env").write_text('PORT=9000\nHOST="0.0.0.0"\nUNKNOWN=1\n')
    set_environment(monkeypatch, {"PORT": "9001"})

    settings = read(ApiSettings)

    assert (settings.host, settings.port) == ("0.0.0.0", 9001)


def test_a_dotenv_file_that_is_not_text_is_one_line_of_error(in_an_empty_folder: Path) -> None:
    """Every error at startup is one line."""
    (in_an_empty_folder / ".env").write_bytes(b"PORT=\xff\xfe")

    with pytest.raises(CannotStart, match=r"^\.env cannot be read"):
        read(ApiSettings)


def test_the_repr_of_settings_contains_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings can end up in a log or a traceback."""
    set_environment(
        monkeypatch,
        {"DATABASE_URL": "postgres://u:hidden@h/d", "DB_PASSWORD": "hidden", "REDIS_URL": "redis://:hidden@h"},
    )

    assert "hidden" not in f"{read(DatabaseSettings)!r} {read(JobsSettings)!r} {read(DatabaseSettings).url()!r}"


def test_paths_become_absolute(in_an_empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers run in a different folder from the command."""
    assert read(DuetimeSettings).data_dir == in_an_empty_folder / ".data"
    set_environment(monkeypatch, {"DUETIME_DATA_DIR": "~/d", "HOME": str(in_an_empty_folder)})
    assert read(DuetimeSettings).data_dir == in_an_empty_folder / "d"


def test_the_page_is_made_from_the_settings() -> None:
    """docs/settings.md has each setting once, as its description has it. `make settings` writes it."""
    page = settings_page.PAGE.read_text("utf-8")
    assert page == settings_page.written(page), "docs/settings.md is stale: run `make settings`"
    assert sorted(settings_page.named(page)) == sorted(settings_page.fields())
    assert all(field.description for field in settings_page.fields().values())


def test_the_example_names_every_setting() -> None:
    """.env.example has each variable that is read."""
    named = set(re.findall(r"\b[A-Z][A-Z_]+\b", (ROOT / ".env.example").read_text("utf-8")))

    assert {variable(settings, name) for settings in SETTINGS for name in settings.model_fields} - {"GIN_MODE"} <= named


def variable(settings: type[BaseSettings], name: str) -> str:
    """Return the environment variable of a setting."""
    alias = settings.model_fields[name].validation_alias
    return str(alias or f"{settings.model_config.get('env_prefix', '')}{name}").upper()
