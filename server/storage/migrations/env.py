"""Run the steps on the connection of the caller, who holds the transaction; alembic loads this."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    # SQLite changes a table by making it anew; PostgreSQL alters it in place.
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
