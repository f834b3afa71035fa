from tests.support.database_fixtures import mariadb, mysql

__all__ = ["mariadb", "mysql"]
