-- The catalog: a local cache of what the store says, with the history of every path as intervals of snapshots.
-- Everything here can be made anew from the store and the key (`backup-ninja catalog rebuild`).
-- The number of this schema is in `PRAGMA user_version`; src/catalog/migrate.ts holds the steps from older ones.
--
-- Paths are stored as TEXT, since SQLite's GLOB does not match BLOBs here: a path key with its separator (byte 0) as
-- U+0001 and every other byte as the code point of that number (src/catalog/keys.ts). Their order is the key order.
-- Names of objects and ids are BLOBs; times are nanoseconds since 1970.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A source's name with one line of snapshots. Two children of one parent (a cloned machine) are two lineages.
CREATE TABLE sources (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  lineage INTEGER NOT NULL,
  head_seq INTEGER,                -- sequence of the newest applied snapshot: the one whose state the segments hold
  UNIQUE (name, lineage)
) STRICT;

CREATE TABLE snapshots (
  id INTEGER PRIMARY KEY,
  name BLOB NOT NULL UNIQUE,
  source INTEGER NOT NULL REFERENCES sources (id),
  seq INTEGER NOT NULL,
  parent BLOB,
  time INTEGER NOT NULL,
  started INTEGER NOT NULL,
  mode TEXT NOT NULL,              -- soft, full
  kind TEXT NOT NULL,              -- taken, kept
  state TEXT NOT NULL,             -- live, pending, foreign
  applied INTEGER NOT NULL,        -- 1: its listing is in the intervals below
  listing_id BLOB,
  listing_depth INTEGER,
  signer BLOB,
  catalog_id BLOB,
  replaces BLOB NOT NULL,          -- names, one after the other
  received INTEGER,
  body TEXT
) STRICT;
CREATE INDEX snapshots_by_seq ON snapshots (source, seq);

CREATE TABLE tags (
  snapshot INTEGER NOT NULL REFERENCES snapshots (id) ON DELETE CASCADE,
  tag TEXT NOT NULL,
  PRIMARY KEY (snapshot, tag)
) STRICT, WITHOUT ROWID;

-- Names of snapshots that went on purpose: their absence is no rollback.
CREATE TABLE forgotten (
  name BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The active versions of a source: the segments of its newest listing. Rows are narrow, for scans; what is long lies in
-- the two tables below. A segment that changes without a change of its paths keeps its row.
CREATE TABLE segments (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL REFERENCES sources (id),
  first_key TEXT NOT NULL,
  blob_id BLOB NOT NULL,
  bytes_id INTEGER NOT NULL,       -- segment_bytes.id
  entries INTEGER NOT NULL,
  files INTEGER NOT NULL,
  file_bytes INTEGER NOT NULL,
  newest_mtime INTEGER,            -- of its files, in seconds; NULL: it has none
  newest_ctime INTEGER,
  min_from INTEGER NOT NULL,       -- the oldest and newest sequence in which an entry of the segment began
  max_from INTEGER NOT NULL,
  froms BLOB                       -- a varint above min_from for each entry; NULL: all are min_from
) STRICT;
CREATE UNIQUE INDEX segments_by_key ON segments (source, first_key);

-- Last components of a segment's paths between slashes, `/a/b/c/`, which `find` scans.
CREATE TABLE segment_names (
  id INTEGER PRIMARY KEY,          -- segments.id
  names TEXT NOT NULL
) STRICT;

-- The segments themselves. Those of a run that is not completed yet are here too.
CREATE TABLE segment_bytes (
  id INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT;

-- Ended versions: `entry` was at `key` in the snapshots from_seq to to_seq.
CREATE TABLE history (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  key TEXT NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  size INTEGER,                    -- of files
  entry BLOB NOT NULL              -- src/catalog/entry-row.ts; equal versions have equal bytes
) STRICT;

-- How a snapshot differs from the one before it (src/catalog/steps.ts): what `diff` of neighbours would have to look up.
CREATE TABLE steps (
  before BLOB NOT NULL REFERENCES snapshots (name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  after BLOB NOT NULL REFERENCES snapshots (name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  part INTEGER NOT NULL,
  changes BLOB NOT NULL,
  UNIQUE (after, part)
) STRICT;
CREATE INDEX steps_by_before ON steps (before);

-- What kept snapshots hold: versions that per-path retention keeps and no taken snapshot has.
CREATE TABLE kept (
  id INTEGER PRIMARY KEY,
  snapshot INTEGER NOT NULL REFERENCES snapshots (id) ON DELETE CASCADE,
  source INTEGER NOT NULL,
  key TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  size INTEGER,
  entry BLOB NOT NULL
) STRICT;
CREATE INDEX kept_by_key ON kept (source, key, first);
CREATE INDEX kept_by_snapshot ON kept (snapshot);

-- Files to read again in the next run, whatever their times say.
CREATE TABLE unsettled (
  source INTEGER NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (source, key)
) STRICT, WITHOUT ROWID;

-- A number is never given twice, so that tables of blob numbers made earlier stay true.
CREATE TABLE packs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  name BLOB NOT NULL UNIQUE,
  kind TEXT NOT NULL,              -- data, meta
  size INTEGER NOT NULL,
  run BLOB NOT NULL,
  writer BLOB NOT NULL,
  opened INTEGER NOT NULL,
  blobs INTEGER NOT NULL,
  present INTEGER NOT NULL,        -- listed in the store with its right size when last looked at
  tombstoned INTEGER NOT NULL,
  verified INTEGER                 -- when its bytes were last read and found right
) STRICT;

CREATE TABLE pack_directories (
  number INTEGER PRIMARY KEY REFERENCES packs (number) ON DELETE CASCADE,
  directory BLOB NOT NULL
) STRICT;

-- Objects of the store whose content is known here already.
CREATE TABLE objects (
  folder TEXT NOT NULL,
  name BLOB NOT NULL,
  kind TEXT,
  body TEXT,
  PRIMARY KEY (folder, name)
) STRICT, WITHOUT ROWID;

-- The run in flight. It is sealed, with its snapshot's name, before the snapshot is put in the store.
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL REFERENCES sources (id),
  snapshot TEXT                    -- JSON; NULL until sealed
) STRICT;
CREATE TABLE staged_puts (
  id INTEGER PRIMARY KEY,          -- segment_bytes.id
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  first_key TEXT NOT NULL,
  blob_id BLOB NOT NULL
) STRICT;
CREATE TABLE staged_drops (
  id INTEGER PRIMARY KEY,          -- segments.id
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE
) STRICT;
CREATE TABLE staged_unsettled (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

-- Indexes below this line are built after a rebuild has filled the tables.
-- deferred
CREATE UNIQUE INDEX IF NOT EXISTS history_by_key ON history (source, key, from_seq, to_seq);
CREATE INDEX IF NOT EXISTS history_by_from ON history (source, from_seq, to_seq);
CREATE INDEX IF NOT EXISTS history_by_to ON history (source, to_seq, from_seq);
