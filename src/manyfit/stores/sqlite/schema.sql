-- Schema 1. The meaning of the tables is told in docs/explanation/sql-stores.md.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sweep (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL,
    created_at REAL NOT NULL,
    declaration BLOB,
    tenant TEXT NOT NULL
);

CREATE TABLE entry (
    sweep INTEGER NOT NULL,
    position INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (sweep, position)
) WITHOUT ROWID;

CREATE TABLE file (
    sweep INTEGER NOT NULL,
    name TEXT NOT NULL,
    n_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    stored_at REAL NOT NULL,
    PRIMARY KEY (sweep, name)
) WITHOUT ROWID;

CREATE TABLE file_part (
    sweep INTEGER NOT NULL,
    name TEXT NOT NULL,
    part INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (sweep, name, part)
);

CREATE TABLE unit (
    number INTEGER PRIMARY KEY,
    sweep INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    place TEXT NOT NULL,
    id TEXT NOT NULL,
    root INTEGER NOT NULL,
    pipeline TEXT NOT NULL,
    own TEXT,
    state INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    past TEXT
);
CREATE UNIQUE INDEX unit_id ON unit (sweep, id);
CREATE INDEX unit_free ON unit (sweep, segment, place) WHERE state = 0;

CREATE TABLE epoch (
    unit INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    sweep INTEGER NOT NULL,
    worker TEXT NOT NULL,
    request TEXT NOT NULL,
    position INTEGER NOT NULL,
    tasks TEXT,
    claimed_at REAL NOT NULL,
    ended BLOB,
    crc INTEGER,
    nonce TEXT,
    ended_at REAL,
    PRIMARY KEY (unit, epoch)
) WITHOUT ROWID;
CREATE UNIQUE INDEX epoch_open ON epoch (sweep, worker) WHERE ended IS NULL;

CREATE TABLE line (
    unit INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    sweep INTEGER NOT NULL,
    content BLOB NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (unit, epoch, seq)
) WITHOUT ROWID;

CREATE TABLE worker (
    sweep INTEGER NOT NULL,
    id TEXT NOT NULL,
    info BLOB NOT NULL,
    nonce TEXT NOT NULL,
    PRIMARY KEY (sweep, id)
) WITHOUT ROWID;

CREATE TABLE beat (
    sweep INTEGER NOT NULL,
    worker TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (sweep, worker)
) WITHOUT ROWID;
