"""What every program shares that follows the chain for years with one key.

loop          a cycle, a pause, again; failures stop nothing
failures      the table of errors, and how soon each thing is tried again
duty          something to do; it names what is sent, put off and remembered
chainview     what the chain says, pinned to one block, rewound when it is reorganised
outbox        transactions that survive a crash
database      one locked SQLite file, every commit flushed; `logindex` and `transactions` live there
web           /livez, /readyz, /metrics
metrics       those that every program has
settings      flags, environment, a TOML file; the signing key
systemd       sd_notify
logs          one event per line
"""
