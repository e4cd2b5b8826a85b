"""The tables of the job store, and how an older store is brought up to date."""

import sqlite3

from webui.errors import StorageError

_FIRST = """
CREATE TABLE boots (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    intent TEXT NOT NULL DEFAULT '',
    mode TEXT NOT NULL,
    request TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    notices TEXT NOT NULL DEFAULT '[]',
    error TEXT,
    changed INTEGER NOT NULL
);
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE TABLE items (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx INTEGER NOT NULL,
    state TEXT NOT NULL,
    ending TEXT NOT NULL DEFAULT '',
    labels TEXT NOT NULL,
    hint TEXT NOT NULL,
    seed INTEGER NOT NULL,
    request TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    changed INTEGER NOT NULL,
    PRIMARY KEY (job, idx)
) WITHOUT ROWID;
CREATE INDEX items_by_state ON items (job, state, idx);
CREATE TABLE needs (
    job INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    need INTEGER NOT NULL,
    PRIMARY KEY (job, idx, need),
    FOREIGN KEY (job, idx) REFERENCES items (job, idx) ON DELETE CASCADE,
    FOREIGN KEY (job, need) REFERENCES items (job, idx) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX needs_by_need ON needs (job, need);
CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    n INTEGER NOT NULL,
    role TEXT NOT NULL,
    state TEXT NOT NULL,
    path TEXT NOT NULL UNIQUE COLLATE NOCASE,
    media_type TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    infotext TEXT NOT NULL,
    execution TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    UNIQUE (job, idx, n),
    FOREIGN KEY (job, idx) REFERENCES items (job, idx) ON DELETE CASCADE
);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
"""Step k brings a store of version k to version k + 1; what was released is never edited."""


def migrate(db: sqlite3.Connection) -> None:
    """Bring the store to the present version, each step in a transaction of its own.

    Raises StorageError for a store that a newer version of the program wrote.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise StorageError(
            "The job store was written by a newer version of Palimpsest. "
            "Update the program, or start it with another --data-dir.",
            f"store version {version}, known {len(MIGRATIONS)}",
        )
    for number in range(version, len(MIGRATIONS)):
        script = f"BEGIN IMMEDIATE;{MIGRATIONS[number]}PRAGMA user_version = {number + 1};COMMIT;"
        try:
            db.executescript(script)
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
