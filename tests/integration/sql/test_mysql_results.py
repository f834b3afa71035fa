import sqlalchemy as sa

from adapters.sql.engine import create_engine


def test_columns_of_one_name_and_two_types_are_told_apart(server_url):
    engine = create_engine(server_url)
    with engine.connect() as connection:
        values = [
            connection.execute(sa.text(f"SELECT {literal} AS same")).scalar_one()
            for literal in ("1", "'1'", "UTC_TIMESTAMP(6)", "X'00ff'", "1")
        ]

    assert [type(value).__name__ for value in values] == ["int", "str", "datetime", "bytes", "int"]
    engine.dispose()
