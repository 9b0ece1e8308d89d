"""Fields of samples, tags that annotators give, and splits made within the studio."""

import sqlalchemy as sql
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "dataset", sql.Column("fields", sql.JSON, nullable=False, server_default=sql.text("'[]'"))
    )
    op.add_column("annotation_book", sql.Column("split", sql.JSON(none_as_null=True)))
    op.add_column(
        "annotation_row",
        sql.Column("tags", sql.Text, nullable=False, server_default=sql.text("'[]'")),
    )


def downgrade() -> None:
    op.drop_column("annotation_row", "tags")
    op.drop_column("annotation_book", "split")
    op.drop_column("dataset", "fields")
