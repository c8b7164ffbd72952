"""Write `golden.json` again after an intended change: `python -m tests.impact.regenerate`."""

from __future__ import annotations

import json
from pathlib import Path

from oracles.impact import estimate
from tests.impact.worlds import EVALUATION, SEED_CORPUS, SUBMISSIONS, TINY

if __name__ == "__main__":
    report = estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY)
    top = max(provider.influence for provider in report.providers)
    golden = {
        "providers": {
            provider.name: [provider.phi, round(provider.influence / top * 10_000)]
            for provider in report.providers
        },
        "evaluation_digest": report.evaluation_digest,
        "tokenizer": report.evidence["tokenizer"],
        "version": report.version,
    }
    path = Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(golden, indent=2) + "\n")
