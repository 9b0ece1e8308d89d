"""The tables as the queries see them; `migrations/` is what makes them."""

import sqlalchemy as sql

METADATA = sql.MetaData()

DATASET = sql.Table(
    "dataset",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("name", sql.Text),
    sql.Column("kind", sql.Text),
    sql.Column("n_samples", sql.Integer),
    sql.Column("class_names", sql.JSON),
    sql.Column("class_descriptions", sql.JSON),
    sql.Column("height", sql.Integer),
    sql.Column("width", sql.Integer),
    sql.Column("channels", sql.Integer),
    sql.Column("split_names", sql.JSON),
    sql.Column("annotators", sql.JSON),
    sql.Column("files", sql.JSON),
    sql.Column("source", sql.Text),
    sql.Column("report", sql.JSON),
    sql.Column("created_at", sql.Text),
    sql.Column("fields", sql.JSON),
)

DATASET_VERSION = sql.Table(
    "dataset_version",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("number", sql.Integer),
    sql.Column("hash", sql.Text),
    sql.Column("candidates", sql.Text),
    sql.Column("reason", sql.Text),
    sql.Column("details", sql.JSON),
    sql.Column("created_at", sql.Text),
)

FEATURE_SET = sql.Table(
    "feature_set",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("source_hash", sql.Text),
    sql.Column("spec", sql.Text),
    sql.Column("key", sql.Text),
    sql.Column("description", sql.Text),
    sql.Column("file", sql.Text),
    sql.Column("n_dims", sql.Integer),
    sql.Column("seconds", sql.Float),
    sql.Column("created_at", sql.Text),
)

MINING = sql.Table(
    "mining",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("version_hash", sql.Text),
    sql.Column("feature_set_id", sql.Integer, sql.ForeignKey("feature_set.id")),
    sql.Column("settings", sql.JSON),
    sql.Column("label_source", sql.Text),
    sql.Column("threshold", sql.Float),
    sql.Column("n_pairs", sql.Integer),
    sql.Column("n_kept", sql.Integer),
    sql.Column("n_instances", sql.Integer),
    sql.Column("method", sql.Text),
    sql.Column("recall", sql.Float),
    sql.Column("seconds", sql.Float),
    sql.Column("files", sql.JSON),
    sql.Column("created_at", sql.Text),
)

JOB = sql.Table(
    "job",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("kind", sql.Text),
    sql.Column("title", sql.Text),
    sql.Column("arguments", sql.JSON),
    sql.Column("status", sql.Text),
    sql.Column("fraction", sql.Float),
    sql.Column("message", sql.Text),
    sql.Column("result", sql.JSON(none_as_null=True)),
    sql.Column("error", sql.Text),
    sql.Column("created_at", sql.Text),
    sql.Column("started_at", sql.Text),
    sql.Column("heartbeat_at", sql.Text),
    sql.Column("finished_at", sql.Text),
    sql.Column("position", sql.Integer),
    sql.Column("attempts", sql.Integer),
    sql.Column("place", sql.JSON(none_as_null=True)),
)

RUN = sql.Table(
    "run",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("version_hash", sql.Text),
    sql.Column("candidates", sql.Text),
    sql.Column("name", sql.Text),
    sql.Column("note", sql.Text),
    sql.Column("method", sql.Text),
    sql.Column("backbone", sql.Text),
    sql.Column("features", sql.Text),
    sql.Column("config", sql.JSON),
    sql.Column("settings", sql.JSON),
    sql.Column("environment", sql.JSON),
    sql.Column("job_id", sql.Integer, sql.ForeignKey("job.id")),
    sql.Column("best_epoch", sql.Integer),
    sql.Column("created_at", sql.Text),
    sql.Column("finished_at", sql.Text),
    sql.Column("removed_at", sql.Text),
)

RUN_EPOCH = sql.Table(
    "run_epoch",
    METADATA,
    sql.Column("run_id", sql.Integer, sql.ForeignKey("run.id"), primary_key=True),
    sql.Column("epoch", sql.Integer, primary_key=True),
    sql.Column("report", sql.JSON),
)

EDIT_MODEL = sql.Table(
    "edit_model",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("version_hash", sql.Text),
    sql.Column("candidates", sql.Text),
    sql.Column("belief", sql.Text),
    sql.Column("config", sql.JSON),
    sql.Column("reports", sql.JSON),
    sql.Column("job_id", sql.Integer, sql.ForeignKey("job.id")),
    sql.Column("created_at", sql.Text),
    sql.Column("finished_at", sql.Text),
)

PROMPT_TABLE = sql.Table(
    "prompt_table",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("number", sql.Integer),
    sql.Column("template", sql.Text),
    sql.Column("descriptions", sql.JSON),
    sql.Column("created_at", sql.Text),
)

EDIT_SET = sql.Table(
    "edit_set",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("editor", sql.Text),
    sql.Column("key", sql.Text),
    sql.Column("settings", sql.JSON),
    sql.Column("shape", sql.JSON(none_as_null=True)),
    sql.Column("file", sql.Text),
    sql.Column("created_at", sql.Text),
)

EDIT = sql.Table(
    "edit",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("set_id", sql.Integer, sql.ForeignKey("edit_set.id")),
    sql.Column("row", sql.Integer),
    sql.Column("label", sql.Integer),
    sql.Column("bond", sql.BigInteger),
    sql.Column("place", sql.BigInteger),
    sql.Column("length", sql.Integer),
    sql.Column("similarity", sql.Float),
)

EDIT_EVIDENCE = sql.Table(
    "edit_evidence",
    METADATA,
    sql.Column("edit_id", sql.Integer, sql.ForeignKey("edit.id"), primary_key=True),
    sql.Column("judge", sql.Text, primary_key=True),
    sql.Column("before", sql.Float),
    sql.Column("after", sql.Float),
    sql.Column("top_before", sql.Integer),
    sql.Column("top_after", sql.Integer),
)

ANNOTATION_BOOK = sql.Table(
    "annotation_book",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("dataset_name", sql.Text),
    sql.Column("head", sql.Integer),
    sql.Column("digest", sql.Text),
    sql.Column("classes", sql.JSON),
    sql.Column("created_at", sql.Text),
    sql.Column("split", sql.JSON(none_as_null=True)),
)

ANNOTATION_ACTION = sql.Table(
    "annotation_action",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("book_id", sql.Integer, sql.ForeignKey("annotation_book.id")),
    sql.Column("number", sql.Integer),
    sql.Column("who", sql.Text),
    sql.Column("window", sql.Text),
    sql.Column("at", sql.Text),
    sql.Column("kind", sql.Text),
    sql.Column("details", sql.JSON),
    sql.Column("changes", sql.JSON),
    sql.Column("why", sql.Text),
    sql.Column("version", sql.Text),
    sql.Column("seconds", sql.Float),
    sql.Column("key", sql.Text),
    sql.Column("queue_id", sql.Integer),
    sql.Column("position", sql.Integer),
    sql.Column("reverses", sql.Integer),
    sql.Column("digest", sql.Text),
)

ANNOTATION_TOUCH = sql.Table(
    "annotation_touch",
    METADATA,
    sql.Column("book_id", sql.Integer, primary_key=True),
    sql.Column("row", sql.Integer, primary_key=True),
    sql.Column("number", sql.Integer, primary_key=True),
)

ANNOTATION_ROW = sql.Table(
    "annotation_row",
    METADATA,
    sql.Column("book_id", sql.Integer, primary_key=True),
    sql.Column("row", sql.Integer, primary_key=True),
    sql.Column("decided", sql.Text),
    sql.Column("sets", sql.LargeBinary),
    sql.Column("n_statements", sql.Integer),
    sql.Column("differ", sql.Integer),
    sql.Column("contradict", sql.Integer),
    sql.Column("flagged", sql.Integer),
    sql.Column("last", sql.Integer),
    sql.Column("last_window", sql.Text),
    sql.Column("last_who", sql.Text),
    sql.Column("tags", sql.Text),
)

ANNOTATION_STATEMENT = sql.Table(
    "annotation_statement",
    METADATA,
    sql.Column("book_id", sql.Integer, primary_key=True),
    sql.Column("row", sql.Integer, primary_key=True),
    sql.Column("who", sql.Text, primary_key=True),
    sql.Column("classes", sql.Text),
    sql.Column("number", sql.Integer),
)

ANNOTATION_UNDONE = sql.Table(
    "annotation_undone",
    METADATA,
    sql.Column("book_id", sql.Integer, primary_key=True),
    sql.Column("number", sql.Integer, primary_key=True),
    sql.Column("who", sql.Text),
    sql.Column("can_redo", sql.Integer),
)

ANNOTATION_SELECTION = sql.Table(
    "annotation_selection",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("title", sql.Text),
    sql.Column("source", sql.Text),
    sql.Column("rows", sql.JSON),
    sql.Column("reasons", sql.JSON(none_as_null=True)),
    sql.Column("created_by", sql.Text),
    sql.Column("created_at", sql.Text),
)

ANNOTATION_QUEUE = sql.Table(
    "annotation_queue",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id")),
    sql.Column("order_name", sql.Text),
    sql.Column("title", sql.Text),
    sql.Column("settings", sql.JSON),
    sql.Column("overlap", sql.Integer),
    sql.Column("is_complete", sql.Integer),
    sql.Column("created_by", sql.Text),
    sql.Column("created_at", sql.Text),
)

ANNOTATION_ITEM = sql.Table(
    "annotation_item",
    METADATA,
    sql.Column("queue_id", sql.Integer, primary_key=True),
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("row", sql.Integer),
    sql.Column("other", sql.Integer),
    sql.Column("score", sql.Float),
    sql.Column("why", sql.Text),
)

ANNOTATION_LEASE = sql.Table(
    "annotation_lease",
    METADATA,
    sql.Column("queue_id", sql.Integer, primary_key=True),
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("who", sql.Text, primary_key=True),
    sql.Column("status", sql.Text),
    sql.Column("until", sql.Float),
)
