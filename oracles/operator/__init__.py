"""The operator's daemon: follows the chain, scores, signs, exchanges vectors, posts, attests.

settings     the one place that reads files and environment for configuration
duties       pure: what is due, given what the chain and the journal say
journal      SQLite: index of logs, reports, the record of what was signed, transactions
chainview    reads one cycle's state, pinned to one block hash
worker       a process of its own that fetches, decrypts and scores one auction
scoring      from data sets to a vector and its evidence
exchange     how signed reports travel: directory, HTTP, IPFS
outbox       transactions that survive a crash
daemon       the loop that puts them together
"""
