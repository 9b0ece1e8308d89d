"""What is asked of the database, counted."""

from collections import Counter
from contextlib import contextmanager

from sqlalchemy import event


@contextmanager
def counted_selects(services):
    """Counts the SELECTs within by table, statement and what they ask for."""
    engine = services.project.database._engine
    asked = Counter()

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT"):
            table = statement.partition("FROM ")[2].split()[0]
            asked[table, statement, repr(parameters)] += 1

    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)
