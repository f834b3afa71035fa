import pytest
from pydantic import SecretStr

from adapters.sql.engine import DatabaseOptions
from application.errors import DependencyUnavailable
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from tests.support import mariadb as mariadb_support
from tests.support.certificate import self_signed
from tests.support.database_server import PASSWORD, USER, directory_in_memory
from tests.support.databases import migrated
from tests.support.settings import settings_of


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("authority") / "server.pem")


@pytest.fixture(scope="module")
def url(mariadb, certificate):  # noqa: ARG001 - says so where no MariaDB is installed
    """A schema on a server with a certificate, which refuses connections without TLS."""
    options = (f"--ssl-cert={certificate}", f"--ssl-key={certificate}", "--require-secure-transport=ON")
    with directory_in_memory() as directory:
        server = mariadb_support.start_server(mariadb_support.find_server(), directory, *options)
        yield migrated(server.create_schema("tls"))
        server.stop()


def test_the_setting_for_the_file_of_an_authority_has_the_database_prove_who_it_is(
    url, certificate, tmp_path
):
    for ca_file, is_trusted in ((certificate, True), (self_signed(tmp_path / "another.pem"), False)):
        settings = settings_of(
            rds_host=url.host,
            rds_port=url.port,
            rds_dbname=url.database,
            rds_username=USER,
            rds_password=SecretStr(PASSWORD),
            rds_ca_file=ca_file,
        )
        container = build_container(settings, STANDARD_LIMITS)

        assert reached(container.unit_of_work()) is is_trusted

        container.database().dispose()


def reached(unit_of_work):
    try:
        unit_of_work.check()
    except DependencyUnavailable:
        return False
    return True


def test_a_server_of_another_name_is_not_talked_to(url, certificate, open_store):
    store = open_store(url.set(host="localhost"), DatabaseOptions(tls_ca=str(certificate)))

    assert not reached(store.unit_of_work)


def test_a_certificate_that_is_refused_is_the_cause(url, tmp_path, open_store):
    store = open_store(url, DatabaseOptions(tls_ca=str(self_signed(tmp_path / "another.pem"))))

    with pytest.raises(
        DependencyUnavailable, match=r"its certificate is refused \(self-signed certificate\)"
    ):
        store.unit_of_work.check()


def test_without_a_file_what_is_said_is_encrypted_where_the_server_offers_it(url, open_store):
    with open_store(url).engine.connect() as connection:
        _name, cipher = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").one()

    assert cipher


def test_each_connection_has_a_password_of_its_own_where_they_are_good_for_a_while(
    url, certificate, open_store
):
    passwords = iter([PASSWORD, "expired", PASSWORD])
    options = DatabaseOptions(tls_ca=str(certificate), password=lambda: next(passwords))
    store = open_store(url.set(password="none"), options)

    for is_good in (True, False, True):
        assert reached(store.unit_of_work) is is_good
        store.engine.dispose()


@pytest.mark.parametrize("has_file", [False, True])
def test_connections_share_what_takes_long_to_prepare(url, certificate, open_store, has_file):
    engine = open_store(url, DatabaseOptions(tls_ca=str(certificate) if has_file else None)).engine
    with engine.connect() as first, engine.connect() as second:
        contexts = [each.connection.driver_connection.ctx for each in (first, second)]

    assert contexts[0] is contexts[1]


def test_the_file_of_an_authority_that_is_replaced_is_read_again(url, certificate, tmp_path, open_store):
    file = tmp_path / "authority.pem"
    file.write_bytes(certificate.read_bytes())
    store = open_store(url, DatabaseOptions(tls_ca=str(file)))
    assert reached(store.unit_of_work)

    self_signed(file)
    store.engine.dispose()

    assert not reached(store.unit_of_work)
