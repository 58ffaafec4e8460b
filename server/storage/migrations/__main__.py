"""Print the operations that the next step needs: what the tables have and the steps do not.

`python -m server.storage.migrations`, for whoever adds a table; the output is a beginning.
"""

import sys

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from server.storage import migrations
from server.storage.tables import METADATA


def main() -> None:
    """Compare the tables with an empty database of SQLite after all steps."""
    with create_engine("sqlite://").connect() as connection:
        migrations.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        script = produce_migrations(context, METADATA)
        assert script.upgrade_ops is not None
        sys.stdout.write(render_python_code(script.upgrade_ops) + "\n")


if __name__ == "__main__":
    main()
