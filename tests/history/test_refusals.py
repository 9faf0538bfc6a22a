"""What a history refuses, and what it says then: one screen, no password, nothing half written."""

import multiprocessing
import os
import pwd
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from audit import history
from audit.errors import UserError


def refused(action, *arguments):
    """Return what an action says when it is refused, line by line."""
    with pytest.raises(UserError) as told:
        action(*arguments)
    return str(told.value).splitlines()


def test_a_file_that_is_no_database(make_record, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no database. " * 40)

    said = [
        "",
        f"{path}: not a database: file is not a database",
        "  expected: a history that inspectoscope wrote",
        "  do: give another file, or a copy of it",
    ]
    assert refused(history.look, str(path)) == ["The history cannot be read", *said]
    assert refused(history.entries, str(path)) == ["The history cannot be read", *said]
    assert refused(history.add, str(path), [make_record()]) == ["The history cannot be written", *said]
    assert path.read_text().startswith("These are notes")


def test_a_database_of_something_else_is_left_alone(make_record, tmp_path):
    path = tmp_path / "answers.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE answers (text)")

    said = refused(history.add, str(path), [make_record()])

    assert said == [
        "The history cannot be used",
        "",
        f"{path}: a database with the table answers",
        "  expected: a history of schema version 2, or an empty database",
        "  do: give another file; nothing was written into this one",
    ]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("answers",)]


def test_a_history_of_a_newer_version(place, make_record):
    history.add(place.where, [make_record(1)])
    place.sql("UPDATE inspectoscope_history SET schema_version = 3")

    for action, *arguments in (
        (history.look,),
        (history.entries,),
        (history.show, 1),
        (history.add, [make_record(2)]),
        (history.check, make_record(1)),
    ):
        said = refused(action, place.where, *arguments)
        assert said[0] == "The history cannot be used"
        assert said[2].endswith(": a history of schema version 3")
        assert said[4] == "  do: use the version of inspectoscope that wrote it, or a newer one"
    assert place.sql("SELECT COUNT(*) FROM inspectoscope_runs") == [(1,)]


def test_a_file_that_is_not_there_is_begun_by_a_writer_alone(make_record, tmp_path):
    path = tmp_path / "new" / "history.sqlite"

    history.look(str(path))

    assert refused(history.entries, str(path))[2:] == [
        f"{path}: no such file",
        "  expected: a history",
        "  do: begin one with: inspectoscope run … --history, or history add RECORD",
    ]
    assert not path.parent.exists()
    history.add(str(path), [make_record()])
    assert len(history.entries(str(path))) == 1


def test_an_address_that_asks_for_reading_alone(make_record, tmp_path):
    path = tmp_path / "history.sqlite"
    history.add(str(path), [make_record(1)])
    where = f"sqlite:///{path}?mode=ro"

    assert refused(history.add, where, [make_record(2)]) == [
        "The history cannot be written",
        "",
        f"{path}: it may not be written: attempt to write a readonly database",
        "  expected: a history that may be written",
        "  do: ask for the right to, or give another one with --history",
    ]
    assert len(history.entries(where)) == 1


def as_another_user(action, folder):
    """Run an action as somebody who may read a folder and not write into it; return what it wrote down."""

    def child(answer):
        if os.geteuid() == 0:
            os.setuid(pwd.getpwnam("nobody").pw_uid)
        try:
            answer.send(action())
        except UserError as error:
            answer.send(str(error).splitlines())

    for path in (folder, *folder.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=child, args=(sender,))
        process.start()
        assert receiver.poll(60), "no answer"
        answer = receiver.recv()
        process.join(60)
        receiver.close()
        sender.close()
        return answer
    finally:
        folder.chmod(0o755)


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_history_on_a_medium_that_cannot_be_written_is_read_and_not_written(make_record):
    folder = Path(tempfile.mkdtemp(prefix="inspectoscope-history-"))  # pytest's own folders let nobody else in
    try:
        path = folder / "history.sqlite"
        history.add(str(path), [make_record(1)])
        folder.chmod(0o755)

        listed = as_another_user(lambda: [entry.link.number for entry in history.entries(str(path))], folder)
        written = as_another_user(lambda: history.add(str(path), [make_record(2)]), folder)
    finally:
        shutil.rmtree(folder)

    assert listed == [1]
    assert written == [
        "The history cannot be written",
        "",
        f"{path}: it may not be written: attempt to write a readonly database",
        "  expected: a history that may be written",
        "  do: ask for the right to, or give another one with --history",
    ]


# ---- PostgreSQL ----------------------------------------------------------------------------------


def test_a_user_who_may_only_read(postgresql, database, make_record):
    history.add(postgresql.url(database), [make_record(1)])
    postgresql.sql(
        database,
        "CREATE ROLE reader_of_history LOGIN PASSWORD 'reading'",
        f"GRANT USAGE ON SCHEMA {database} TO reader_of_history",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {database} TO reader_of_history",
    )
    where = postgresql.url(database, user="reader_of_history", password="reading")

    assert [entry.link.number for entry in history.entries(where)] == [1]
    said = refused(history.add, where, [make_record(2)])
    postgresql.sql(database, "DROP OWNED BY reader_of_history", "DROP ROLE reader_of_history")

    assert said[0] == "The history cannot be written"
    assert said[2].endswith(": it may not be written: permission denied for table inspectoscope_runs")
    assert said[3] == "  expected: a history that may be written"
    assert "reading" not in "\n".join(said)


def test_a_user_who_may_read_and_add_needs_no_more(postgresql, database, make_record):
    history.add(postgresql.url(database), [make_record(1)])
    postgresql.sql(
        database,
        "CREATE ROLE writer_of_history LOGIN PASSWORD 'writing'",
        f"GRANT USAGE ON SCHEMA {database} TO writer_of_history",
        "GRANT SELECT, INSERT ON inspectoscope_history, inspectoscope_runs TO writer_of_history",
    )
    where = postgresql.url(database, user="writer_of_history", password="writing")

    (entered,) = history.add(where, [make_record(2)])
    postgresql.sql(database, "DROP OWNED BY writer_of_history", "DROP ROLE writer_of_history")

    assert entered.history.number == 2


def test_a_wrong_password_is_told_without_it(postgresql, database, make_record):
    where = postgresql.url(database, password="not-the-password")

    for action, *arguments in ((history.look,), (history.add, [make_record()])):
        said = "\n".join(refused(action, where, *arguments))
        assert "password authentication failed" in said
        assert "not-the-password" not in said


def test_a_server_that_does_not_answer(make_record):
    where = "postgresql://auditor:hidden-word@127.0.0.1:1/audits"

    said = refused(history.add, where, [make_record()])

    assert said[0] == "The history cannot be written"
    assert said[2].startswith("postgresql+psycopg://auditor:***@127.0.0.1:1/audits: no answer: connection failed")
    assert said[3:] == [
        "  expected: a server that can be reached",
        "  do: look at the address, the network and the server",
    ]
    assert "hidden-word" not in "\n".join(said)


def test_a_driver_that_is_not_installed():
    said = refused(history.look, "mysql+no_such_driver://auditor:hidden-word@127.0.0.1/audits")

    assert said[0] == "The history cannot be reached"
    assert said[3:] == [
        "  expected: a database whose driver is installed",
        "  do: for PostgreSQL: pip install 'inspectoscope[history]'",
    ]
    assert "hidden-word" not in "\n".join(said)


def test_an_installation_without_sqlalchemy(monkeypatch, tmp_path):
    import sys

    for name in ("audit.history.engines", "audit.history.sql"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("audit.history.engines", raising=False)
    monkeypatch.delattr("audit.history.sql", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)

    assert refused(history.look, str(tmp_path / "history.sqlite")) == [
        "Histories need SQLAlchemy",
        "",
        "--history: it is not installed",
        "  expected: an installation with the extra `history`",
        "  do: pip install 'inspectoscope[history]'",
    ]
