"""The operator's daemon: follows the chain, fetches samples, scores, signs, posts, judges sales.

daemon        the loop: one look at the chain, then everything that is due
duty, duties  pure: what is due, given a turn, which is one auction in one cycle
turn          what a cycle's decisions about one auction rest on: chain, time, progress

The loop hands each duty to the part that does it:

samples       fetches the opened pages, by processes that `jobs` runs (`job`, `worker`, `fetcher`)
roll          says which of them are here, and counts what all said
assessor      scores them
reporting     commits, reveals, gathers, posts
verdicts      looks at what the buyer could not fetch or not read, and strikes out
enforcement   resolves, takes scores over, aborts, slashes
earnings      claims fees and repaid gas, releases stakes

What these use:

policy        which auctions are served
settings      the one place that reads files and environment for configuration
journal       SQLite: index of logs, reports, the record of what was signed, transactions
messages      signed reports and verdicts, and the proof that each is what it says
peers         shares, asks for and checks messages; `exchange` carries them
pinning       brings evidence to IPFS nodes
monitor       metrics, missed rounds, deviations, funds

Loop, outbox, index of logs and failures are those of `oracles.service`.
"""
