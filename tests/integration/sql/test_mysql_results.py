import sqlalchemy as sa

from adapters.sql import mysql_connection
from adapters.sql.engine import create_engine


def test_columns_are_described_once_for_all_results_of_a_statement(server_url):
    engine = create_engine(server_url)
    statement = sa.text("SELECT :number AS first_column, 'Zoë' AS second_column, NULL AS third_column")
    with engine.connect() as connection:
        connection.execute(statement, {"number": 0}).all()
        described = mysql_connection._describe.cache_info().misses

        found = [connection.execute(statement, {"number": number}).one() for number in range(3)]

    assert found == [(number, "Zoë", None) for number in range(3)]
    assert mysql_connection._describe.cache_info().misses == described
    engine.dispose()


def test_columns_of_one_name_and_two_types_are_told_apart(server_url):
    engine = create_engine(server_url)
    with engine.connect() as connection:
        values = [
            connection.execute(sa.text(f"SELECT {literal} AS same")).scalar_one()
            for literal in ("1", "'1'", "UTC_TIMESTAMP(6)", "X'00ff'", "1")
        ]

    assert [type(value).__name__ for value in values] == ["int", "str", "datetime", "bytes", "int"]
    engine.dispose()
