"""The operators' page: its settings can be loaded. Its commands: `tests/cli/test_pages.py`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oracles.operator.settings import load
from scripts.build import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "operators.md").read_text()


def test_settings__as_the_page_shows_them__are_loaded(tmp_path: Path) -> None:
    text, more = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S)
    (tmp_path / "passphrase").write_text("x")
    config = tmp_path / "operator.toml"
    config.write_text(text)
    settings = load(config)
    assert settings.policy.least_fee == 0.02
    # What is commented out would do too.
    config.write_text(re.sub(r"^# (?=\w+ = )", "", text, flags=re.M))
    assert load(config).policy.sets == [7]
    # What the page shows apart.
    config.write_text(re.sub(r"(?ms)^\[scoring\]$.*?(?=^\[|\Z)", "", text) + more)
    assert load(config).scoring.noise == 2.0
