"""Triggers by which a database refuses to change or delete a run; a convenience, for they can be dropped.

The record's own bytes are left out: texts may be withheld from it, and the chain notices any other change.
"""

from __future__ import annotations

from collections.abc import Mapping

_REFUSAL = "runs of a history are neither changed nor deleted"

_SQLITE = tuple(
    f"CREATE TRIGGER {{table}}_no_{verb.lower()} BEFORE {verb}{of} ON {{table}} "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    for verb, of in (("UPDATE", " OF {fixed}"), ("DELETE", ""))
)

_POSTGRESQL = (
    f"""CREATE OR REPLACE FUNCTION {{table}}_append_only() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$""",
    """CREATE TRIGGER {table}_append_only BEFORE UPDATE OF {fixed} OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()""",
)

TRIGGERS: Mapping[str, tuple[str, ...]] = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
"""Statements by SQLAlchemy's name of the database; others have none, and rest on the chain alone."""
