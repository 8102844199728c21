"""One frozen Settings, read once: environment TOCSIN_*, then `tocsin.toml`, then defaults. Connects to nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from monitor.errors import UsageError


class Settings(BaseSettings):
    """Every setting with its meaning. Secrets are masked wherever a Settings is shown."""

    model_config = SettingsConfigDict(
        env_prefix="TOCSIN_",
        env_ignore_empty=True,  # as files of settings write "none"; as a folder it would be the current one
        toml_file="tocsin.toml",
        frozen=True,
        extra="forbid",
    )

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("tocsin", appauthor=False)),
        description="where everything lives: the private database, own models, feeds.toml, watchlist.toml",
    )
    database_url: SecretStr | None = Field(
        None, description="postgresql+psycopg://user:password@host/name; without it a private server under data_dir"
    )
    broker: Literal["postgres", "kafka"] = Field("postgres", description="the log: a table, or Apache Kafka")
    kafka_servers: str = Field("127.0.0.1:9092", description="Kafka's bootstrap servers, host:port, comma-separated")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_username: str | None = Field(None, description="Kafka user")
    kafka_password: SecretStr | None = Field(None, description="Kafka password")
    topic: str = Field(
        "news.raw", pattern=r"^[A-Za-z0-9._-]{1,249}$", description="the log's topic: letters, digits, dots, _ and -"
    )
    group: str = Field("tocsin-workers", description="the workers' consumer group")
    model: str = Field("small", description="the model a fresh database starts with: a name, a folder or a hub name")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    batch_articles: int = Field(256, ge=1, le=5000, description="most articles a worker judges and saves at once")
    watchlist: Path | None = Field(None, description="companies to watch for besides the listed ones (TOML)")
    feeds: Path | None = Field(None, description="your feeds.toml; without it the shipped list and data_dir/feeds.toml")
    allow_private_urls: bool = Field(False, description="let sources and webhooks reach private addresses")
    user_agent: str = Field(
        "Tocsin/0.1 (feed reader)",
        description="how we name ourselves to sources; some (the SEC) refuse who gives no contact address",
    )
    notify: tuple[SecretStr, ...] = Field((), description="apprise URLs or console:// that every alert goes to")
    secret: SecretStr | None = Field(None, description="signs links in messages; made and kept in data_dir if absent")
    dashboard_host: str = Field("127.0.0.1", description="where the dashboard listens")
    dashboard_port: int = Field(8501, ge=1, le=65535, description="where the dashboard listens")
    dashboard_url: str = Field(
        default_factory=lambda chosen: address_of(chosen.get("dashboard_host", ""), chosen.get("dashboard_port", 0)),
        description="how readers of a message reach the dashboard; where it listens, if absent",
    )
    dashboard_user: str | None = Field(None, description="the name written beside what you do; default: the login name")
    dashboard_user_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,100}$",
        description="the request header in which your login proxy names the reader, for instance X-Forwarded-User; "
        "only where the dashboard cannot be reached past that proxy",
    )
    evaluate_every_s: float = Field(5.0, gt=0, le=5, description="how often open buckets are evaluated")
    market: str = Field(
        "XNYS", description="whose hours and holidays topics keep: an exchange's code, or 24/7 for none"
    )
    heartbeat_url: SecretStr | None = Field(None, description="asked once a minute while jobs are healthy")
    log_format: Literal["console", "json"] = Field("console", description="how logs look on stderr")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65532,
        description="serve Prometheus metrics on 127.0.0.1: worker on PORT, jobs on PORT+1, ingest +2, dashboard +3",
    )
    metrics_insecure: bool = Field(
        False, description="serve metrics on every address: for a container's own network, metrics have no login"
    )

    @property
    def notify_urls(self) -> list[str]:
        """What `notify` holds, secrets and all: for who sends."""
        return [one.get_secret_value() for one in self.notify]

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgresql+psycopg://")):
            raise ValueError("must start with postgresql+psycopg://")
        return value

    @field_validator("user_agent")
    @classmethod
    def _fits_a_header(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise ValueError("must be of ASCII letters alone: a header carries no others")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def address_of(host: str, port: int) -> str:
    """The URL of what listens there, as this machine reaches it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def read_settings(**overrides: object) -> Settings:
    """Read the settings once. UsageError names the first wrong one and the mend."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except SettingsError as error:  # of a value that is given as JSON
        name = str(error).partition('"')[2].partition('"')[0]
        raise UsageError(
            f"setting TOCSIN_{name.upper()} is no JSON, such as '[\"console://\"]'; {describe(name)}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"tocsin.toml is no valid TOML: {error}; mend it or take it away") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(Settings.model_fields))
            raise UsageError(f"unknown setting {name!r} in tocsin.toml; known: {known}") from error
        raise UsageError(f"setting TOCSIN_{name.upper()} is wrong: {first['msg']}; {describe(name)}") from error


def describe(name: str) -> str:
    field = Settings.model_fields.get(name)
    return f"it means: {field.description}" if field and field.description else "see the README's table of settings"
