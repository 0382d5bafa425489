"""Runs the migrations on `DATABASE_URL`. It knows of no proxy."""

import os
from logging.config import fileConfig

from alembic import context
from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, create_engine, pool
from sqlalchemy import text

from app.db import SQLModel

fileConfig(context.config.config_file_name)


class WideVersionTable(PostgresqlImpl):
    """Alembic's own version column holds 32 characters; descriptive ids are longer."""

    __dialect__ = "postgresql"

    def version_table_impl(self, *, version_table, version_table_schema, version_table_pk, **_):
        table = Table(
            version_table,
            MetaData(),
            Column("version_num", String(128), nullable=False),
            schema=version_table_schema,
        )
        if version_table_pk:
            name = f"{version_table}_pkc"
            table.append_constraint(PrimaryKeyConstraint("version_num", name=name))
        return table


connectable = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with connectable.begin() as connection:
    connection.execute(text("SELECT 1"))
    context.configure(connection=connection, target_metadata=SQLModel.metadata)
    with context.begin_transaction():
        context.run_migrations()
