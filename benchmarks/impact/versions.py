"""The golden values under another torch: `python -m benchmarks.impact.versions 2.14.1`.

Installs that release beside the tested one, into a directory of its own, and estimates the golden
world of the tests there. Exits with 1 if any φ̂ or influence is more than one grid step away.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from oracles.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, torch
from oracles.impact import estimate
from tests.impact.worlds import EVALUATION, SEED_CORPUS, SUBMISSIONS, TINY
report = estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY).to_json()
print(json.dumps({"torch": torch.__version__, **report}))
"""


def estimated(cache: Path, release: str) -> dict[str, object]:
    """The report of the golden world under one release of torch.

    Raises:
        InputError: pip could not install it.
    """
    target = cache / f"torch-{release}"
    if not target.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target)]
        try:
            subprocess.run([*command, f"torch=={release}"], check=True)
        except subprocess.CalledProcessError as error:
            raise InputError(f"pip could not install torch {release}: {error}") from error
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{ROOT}"},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", help="of torch, such as 2.14.1")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    options = parser.parse_args()
    golden = json.loads((ROOT / "tests" / "impact" / "golden.json").read_text())
    report: dict[str, object] = estimated(options.cache, options.release)
    providers: list[dict[str, float]] = report["providers"]  # type: ignore[assignment]
    top = max(provider["influence"] for provider in providers)
    farthest = 0
    for provider, (phi, steps) in zip(providers, golden["providers"].values(), strict=True):
        influence = round(provider["influence"] / top * 10_000)
        farthest = max(farthest, abs(int(provider["phi"]) - phi), abs(influence - steps))
    same = report["version"] == golden["version"]
    sys.stdout.write(
        f"torch {report['torch']}: {farthest} grid steps from the golden values at most, "
        f"{'the same' if same else 'ANOTHER'} version\n"
    )
    sys.exit(0 if farthest <= 1 and same else 1)


if __name__ == "__main__":
    main()
