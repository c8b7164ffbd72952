"""The operator's daemon: follows the chain, scores, signs, exchanges vectors, posts, attests.

daemon        the loop: one look at the chain, then everything that is due
duty, duties  pure: what is due, given a turn, which is one auction in one cycle
turn          what a cycle's decisions about one auction rest on: chain, time, progress

The loop hands each duty to the part that does it:

assessor      fetches and scores the data sets, by processes that `jobs` runs (`job`, `worker`)
reporting     commits, reveals, gathers, posts
deliveries    attests delivered keys, gathers and enters verdicts
enforcement   resolves, aborts, slashes

What these use:

settings      the one place that reads files and environment for configuration
journal       SQLite: index of logs, reports, the record of what was signed, transactions
chainview     reads one cycle's state, pinned to one block hash
messages      signed reports and verdicts, and the proof that each is what it says
peers         shares, asks for and checks messages; `exchange` carries them
outbox        transactions that survive a crash
pinning       brings evidence to IPFS nodes
monitor       metrics, missed rounds, deviations, funds
failures      the table of errors, and how soon each thing is tried again
"""
