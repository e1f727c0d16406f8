"""The tables of lot tracking, as queries see them."""

from sqlalchemy import Column, Integer, Table, Text
from sqlalchemy.types import BigInteger, Uuid

from persistence.claimed import work_columns
from persistence.codes import PRODUCT_LINE
from persistence.dialect import Code, Document, Instant, Name
from persistence.tables import metadata

lot_row = Table(
    "lot_row",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("product_line", Code(PRODUCT_LINE), nullable=False),
    Column("lot_id", Name, nullable=False),
    Column("product", Name, nullable=False),
    Column("step", Name, nullable=False),
    Column("equipment", Name, nullable=False),
    Column("measured_at", Instant, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("attributes", Document),
    Column("version", Integer, nullable=False),
    Column("actor", Name, nullable=False),
    Column("import_id", Integer),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    comment="What was measured of lots, as it now is; one row of a product line, lot and step",
)

lot_row_version = Table(
    "lot_row_version",
    metadata,
    Column("lot_row_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("product_line", Code(PRODUCT_LINE), nullable=False),
    Column("lot_id", Name, nullable=False),
    Column("product", Name, nullable=False),
    Column("step", Name, nullable=False),
    Column("equipment", Name, nullable=False),
    Column("measured_at", Instant, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("attributes", Document),
    Column("actor", Name, nullable=False),
    Column("reason", Text),
    Column("recorded_at", Instant, nullable=False),
    comment="All that lot rows were and are, and why they were corrected; append-only",
)

lot_import = Table(
    "lot_import",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_name", Name, nullable=False),
    Column("sha256", Name, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("actor", Name, nullable=False),
    Column("actor_name", Name, nullable=False),
    Column("product_lines", Document, nullable=False),
    Column("encoding", Name),
    Column("bytes_read", BigInteger, nullable=False),
    Column("row_number", Integer, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_added", Integer, nullable=False),
    Column("rows_refused", Integer, nullable=False),
    Column("result_id", Uuid),
    *work_columns(),
    comment="Imports of lot rows from files, how far each has come, and the server that works on it",
)

lot_import_refusal = Table(
    "lot_import_refusal",
    metadata,
    Column("import_id", Integer, primary_key=True),
    Column("row_number", Integer, primary_key=True),
    Column("fields", Document),
    Column("reason", Text, nullable=False),
    comment="The rows of files that were not added, and why",
)
