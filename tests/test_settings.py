"""A wrong setting stops the start with its name and the mend; secrets never show."""

from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.logs import mask_credentials
from monitor.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent


def test_a_wrong_value_names_the_setting_and_its_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_BATCH_ARTICLES", "0")
    with pytest.raises(UsageError, match=r"TOCSIN_BATCH_ARTICLES.*greater than or equal to 1.*most articles"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOPIC", "news raw!"),
        ("KAFKA_SASL_MECHANISM", "PLAINN"),
        ("USER_AGENT", "Büro desk@example.org"),
        ("USER_AGENT", "Desk\nX-Key: 1"),
        ("USER_AGENT", " Desk"),
    ],
)
def test_what_kafka_or_a_header_would_refuse_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TOCSIN_{name}", value)
    with pytest.raises(UsageError, match=f"TOCSIN_{name} is wrong"):
        read_settings()


def test_an_empty_variable_is_none_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.setenv(f"TOCSIN_{name.upper()}", "")
    emptied = read_settings()
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TOCSIN_{name.upper()}")
    assert emptied == read_settings()
    assert emptied.data_dir != Path()


def test_an_unknown_name_in_the_file_is_refused_with_the_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tocsin.toml").write_text('brokr = "kafka"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"unknown setting 'brokr'.*broker"):
        read_settings()


def test_the_environment_stands_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tocsin.toml").write_text('device = "cpu"\ntopic = "from-file"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOCSIN_TOPIC", "from-environment")
    settings = read_settings()
    assert (settings.device, settings.topic) == ("cpu", "from-environment")


def test_what_comes_as_json_or_in_a_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOCSIN_NOTIFY", "console://")
    with pytest.raises(UsageError, match=r"TOCSIN_NOTIFY is no JSON.*every alert goes to"):
        read_settings()
    monkeypatch.delenv("TOCSIN_NOTIFY")
    (tmp_path / "tocsin.toml").write_text("broker = ")
    with pytest.raises(UsageError, match=r"tocsin\.toml is no valid TOML"):
        read_settings()
    (tmp_path / "tocsin.toml").write_bytes(b'user_agent = "B\xfcro"')
    with pytest.raises(UsageError, match=r"tocsin\.toml is no valid TOML: 'utf-8'"):
        read_settings()


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        (None, None, "http://127.0.0.1:8501"),
        ("127.0.0.1", "8600", "http://127.0.0.1:8600"),
        ("desk.example", None, "http://desk.example:8501"),
        ("::1", "8600", "http://[::1]:8600"),
        ("0.0.0.0", "8600", "http://127.0.0.1:8600"),
    ],
)
def test_messages_lead_to_where_the_dashboard_listens_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, host: str | None, port: str | None, url: str
) -> None:
    for name, value in (("HOST", host), ("PORT", port)):
        if value is not None:
            monkeypatch.setenv(f"TOCSIN_DASHBOARD_{name}", value)
    assert read_settings().dashboard_url == url
    monkeypatch.setenv("TOCSIN_DASHBOARD_URL", "https://tocsin.example")
    assert read_settings().dashboard_url == "https://tocsin.example"


def test_only_postgres_is_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_DATABASE_URL", "sqlite:///x.db")
    with pytest.raises(UsageError, match=r"postgresql\+psycopg://"):
        read_settings()


def test_secrets_never_show() -> None:
    settings = read_settings(database_url="postgresql://u:hunter2@h/d", secret="hunter2", notify=("slack://hunter2",))
    assert "hunter2" not in repr(settings) + str(settings)
    assert mask_credentials("lost postgresql://u:hunter2@h/d") == "lost postgresql://***@h/d"


def test_every_setting_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [name for name in Settings.model_fields if f"`TOCSIN_{name.upper()}`" not in readme]
    assert not missing, f"the README's table of settings lacks {missing}"
