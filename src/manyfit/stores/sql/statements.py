"""The SQL that both dialects understand. A unit's `state` is 0 free, 1 leased, 2 closed for good."""
# ruff: noqa: S608 - what is put together here are names of columns and tables, values never are

# -- the control chain and files -----------------------------------------------------------------------

ENTRIES = "SELECT position, content FROM entry WHERE sweep = ? AND position > ? ORDER BY position"
ENTRY = "SELECT content FROM entry WHERE sweep = ? AND position = ?"
ADD_ENTRY = (
    "INSERT INTO entry (sweep, position, content) VALUES (?, ?, ?) ON CONFLICT (sweep, position) DO NOTHING"
)
SET_TENANT = "UPDATE sweep SET tenant = ? WHERE number = ?"

ADD_FILE = (
    "INSERT INTO file (sweep, name, n_bytes, sha256, stored_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (sweep, name) DO NOTHING"
)
ADD_PART = "INSERT INTO file_part (sweep, name, part, content) VALUES (?, ?, ?, ?)"
FILE = "SELECT n_bytes, sha256, stored_at FROM file WHERE sweep = ? AND name = ?"
FILES = "SELECT name, n_bytes, stored_at FROM file WHERE sweep = ? AND name >= ? AND name < ? ORDER BY name"
PART = "SELECT content FROM file_part WHERE sweep = ? AND name = ? AND part = ?"
REMOVE_FILE = "DELETE FROM file WHERE sweep = ? AND name = ?"
REMOVE_PARTS = "DELETE FROM file_part WHERE sweep = ? AND name = ?"

# -- units and their epochs ----------------------------------------------------------------------------

ADD_UNIT = (
    "INSERT INTO unit (sweep, segment, place, id, root, pipeline, own, state, epoch, past)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?)"
)
_UNIT = "u.number, u.segment, u.place, u.id, u.root, u.pipeline, u.own, u.state, u.epoch, u.past"
UNIT = f"SELECT {_UNIT} FROM unit u WHERE u.sweep = ? AND u.id = ?"
FREE_UNITS = (
    f"SELECT {_UNIT} FROM unit u WHERE u.sweep = ? AND u.segment = ? AND u.state = 0 AND u.place > ?"
    "{excluded} ORDER BY u.place LIMIT {limit}"
)
FREE_UNIT = f"SELECT {_UNIT} FROM unit u WHERE u.number = ? AND u.state = 0 AND u.epoch = ?"
UNITS_LEFT = "SELECT 1 FROM unit WHERE sweep = ? AND segment = ? AND state <> 2 LIMIT 1"
LEASED_UNITS = "SELECT 1 FROM epoch WHERE sweep = ? AND ended IS NULL LIMIT 1"
CLOSE_UNIT = "UPDATE unit SET state = 2, past = NULL WHERE number = ? AND state = 0"
LEASE_UNIT = "UPDATE unit SET state = 1, epoch = ? WHERE number = ?"
SETTLE_UNIT = "UPDATE unit SET state = ?, epoch = ?, past = ? WHERE number = ?"

ADD_EPOCH = (
    "INSERT INTO epoch (unit, epoch, sweep, worker, request, position, tasks, claimed_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_ENDED = (
    "INSERT INTO epoch"
    " (unit, epoch, sweep, worker, request, position, tasks, claimed_at, ended, crc, nonce, ended_at)"
    " VALUES (?, ?, ?, ?, '', 0, NULL, ?, ?, ?, ?, ?)"
)
END_EPOCH = (
    "UPDATE epoch SET ended = ?, crc = ?, nonce = ?, ended_at = ?"
    " WHERE unit = ? AND epoch = ? AND worker = ? AND ended IS NULL"
)
OPEN_EPOCH = "SELECT 1 FROM epoch WHERE unit = ? AND epoch = ? AND worker = ? AND ended IS NULL"
EPOCH = (
    "SELECT e.worker, e.position, e.claimed_at, e.ended, e.crc, e.nonce, e.unit"
    " FROM epoch e JOIN unit u ON u.number = e.unit"
    " WHERE u.sweep = ? AND u.id = ? AND e.epoch = ?"
)
LEASE_OF = (
    f"SELECT e.request, e.position, e.tasks, {_UNIT} FROM epoch e JOIN unit u ON u.number = e.unit"
    " WHERE e.sweep = ? AND e.worker = ? AND e.ended IS NULL"
)
OPEN_EPOCHS = (
    f"SELECT e.worker, {_UNIT} FROM epoch e JOIN unit u ON u.number = e.unit"
    " WHERE e.sweep = ? AND e.ended IS NULL ORDER BY u.segment, u.place"
)
OPEN_BY_PIPELINE = (
    "SELECT u.pipeline, count(*) FROM epoch e JOIN unit u ON u.number = e.unit"
    " WHERE e.sweep = ? AND e.ended IS NULL GROUP BY u.pipeline"
)
OPEN_OF_TENANT = (
    "SELECT count(*) FROM epoch e JOIN sweep s ON s.number = e.sweep WHERE e.ended IS NULL AND s.tenant = ?"
)
CLAIMED_UNITS = "SELECT segment, id, state, epoch FROM unit WHERE sweep = ? AND epoch > 0"
LAST_ENDS = (
    "SELECT u.number, u.segment, u.id, e.epoch, e.ended, e.crc FROM unit u JOIN epoch e ON e.unit = u.number"
    " AND e.epoch = u.epoch - CASE WHEN u.state = 1 THEN 1 ELSE 0 END WHERE u.sweep = ? AND u.epoch > 0"
)
ENDED_EPOCHS = (
    "SELECT u.number, u.segment, u.id, e.epoch, e.worker FROM epoch e JOIN unit u ON u.number = e.unit"
    " WHERE e.sweep = ? AND e.ended IS NOT NULL ORDER BY u.segment, u.place, e.epoch"
)
CLAIMS_AND_OPEN = (
    "SELECT (SELECT coalesce(sum(epoch), 0) FROM unit WHERE sweep = ?),"
    " (SELECT count(*) FROM epoch WHERE sweep = ? AND ended IS NULL)"
)
END = "SELECT ended, crc FROM epoch WHERE unit = ? AND epoch = ?"

# -- results -------------------------------------------------------------------------------------------

ADD_LINES = (
    "INSERT INTO line (unit, epoch, seq, sweep, content, crc) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (unit, epoch, seq) DO NOTHING"
)
LINES = "SELECT seq, content, crc FROM line WHERE unit = ? AND epoch = ? ORDER BY seq"
LINES_STORED = "SELECT max(seq), sum(length(content)) FROM line WHERE unit = ? AND epoch = ?"

# -- workers -------------------------------------------------------------------------------------------

ADD_WORKER = "INSERT INTO worker (sweep, id, info, nonce) VALUES (?, ?, ?, ?) ON CONFLICT (sweep, id) DO NOTHING"
WORKER = "SELECT info, nonce FROM worker WHERE sweep = ? AND id = ?"
WORKERS = "SELECT info FROM worker WHERE sweep = ? ORDER BY id"
SET_BEAT = (
    "INSERT INTO beat (sweep, worker, content) VALUES (?, ?, ?)"
    " ON CONFLICT (sweep, worker) DO UPDATE SET content = excluded.content"
)
BEAT = "SELECT content FROM beat WHERE sweep = ? AND worker = ?"
BEATS = "SELECT worker, content FROM beat WHERE sweep = ?"

# -- sweeps --------------------------------------------------------------------------------------------

ADD_SWEEP = (
    "INSERT INTO sweep (name, id, created_at, declaration, tenant) VALUES (?, ?, ?, ?, '')"
    " ON CONFLICT (name) DO NOTHING"
)
SWEEPS = "SELECT number, name, id, created_at FROM sweep ORDER BY number"
REMOVE = tuple(
    f"DELETE FROM {table} WHERE {column} = ?"
    for table, column in (
        ("line", "sweep"),
        ("epoch", "sweep"),
        ("unit", "sweep"),
        ("file_part", "sweep"),
        ("file", "sweep"),
        ("entry", "sweep"),
        ("worker", "sweep"),
        ("beat", "sweep"),
        ("sweep", "number"),
    )
)
