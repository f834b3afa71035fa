#!/bin/sh
# Whether the database can be reached as the service reaches it; the options of the image's own script are implied.
exec mariadb --host=127.0.0.1 --user="$MARIADB_USER" --password="$MARIADB_PASSWORD" "$MARIADB_DATABASE" \
    --execute="SELECT 1"
