-- Schema 1. The meaning of the tables is told in docs/explanation/sql-stores.md.

CREATE TABLE meta (
    name text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE sweep (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    id text NOT NULL,
    created_at double precision NOT NULL,
    declaration bytea,
    tenant text NOT NULL
);

CREATE TABLE entry (
    sweep bigint NOT NULL,
    position bigint NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (sweep, position)
);

CREATE TABLE file (
    sweep bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    n_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    stored_at double precision NOT NULL,
    PRIMARY KEY (sweep, name)
);

CREATE TABLE file_part (
    sweep bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    part integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (sweep, name, part)
);

CREATE TABLE unit (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sweep bigint NOT NULL,
    segment integer NOT NULL,
    place text COLLATE "C" NOT NULL,
    id text NOT NULL,
    root integer NOT NULL,
    pipeline text NOT NULL,
    own text,
    state smallint NOT NULL,
    epoch integer NOT NULL,
    past text
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX unit_id ON unit (sweep, id);
CREATE INDEX unit_free ON unit (sweep, segment, place) WHERE state = 0;

CREATE TABLE epoch (
    unit bigint NOT NULL,
    epoch integer NOT NULL,
    sweep bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    request text NOT NULL,
    position bigint NOT NULL,
    tasks text,
    claimed_at double precision NOT NULL,
    ended bytea,
    crc bigint,
    nonce text,
    ended_at double precision,
    PRIMARY KEY (unit, epoch)
);
CREATE UNIQUE INDEX epoch_open ON epoch (sweep, worker) WHERE ended IS NULL;

CREATE TABLE line (
    unit bigint NOT NULL,
    epoch integer NOT NULL,
    seq integer NOT NULL,
    sweep bigint NOT NULL,
    content bytea NOT NULL,
    crc bigint NOT NULL,
    PRIMARY KEY (unit, epoch, seq)
);

CREATE TABLE worker (
    sweep bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    info bytea NOT NULL,
    nonce text NOT NULL,
    PRIMARY KEY (sweep, id)
);

CREATE TABLE beat (
    sweep bigint NOT NULL,
    worker text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (sweep, worker)
) WITH (fillfactor = 50);
