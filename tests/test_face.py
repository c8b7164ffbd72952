"""The public face: its names, that it loads nothing early, and that its examples run."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import qmia
from oracles import cli
from oracles.audit import write_archive
from oracles.chain.keystore import write_keystore
from tests.audit.stories import everything
from tests.support.market import SCORES, WINDOW, Market, signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.anvil import Anvil

TERMS = """
token = "{token}"
budget = "600 LUSD"
pool = "200 LUSD"
rho = "3/4"
bond = "0.01 ether"
[scoring]
operator_set = 1
samples = 2
q_min = "0.1"
stake = "1 ether"
fee = "0.1 ether"
entry_fee = "0.001 ether"
fetch_fee = "0.001 ether"
metric_version = "0x1111111111111111111111111111111111111111111111111111111111111111"
evaluation = "0x2222222222222222222222222222222222222222222222222222222222222222"
[weights]
[durations]
commit = 1000
open = 1000
roll = 1000
score_commit = 1000
score_open = 1000
score_post = 1000
reveal = 1000
settle = 1000
fetch = 1000
deliver = 1000
dispute = 1000
"""


def test_face__names__are_these_and_all_there() -> None:
    assert qmia.__all__ == sorted(qmia.__all__) == sorted(qmia._HOME)
    assert {name for name in dir(qmia) if not name.startswith("_")} >= set(qmia.__all__)
    for name in qmia.__all__:
        assert getattr(qmia, name).__name__ == name


def test_face__what_type_checkers_see__is_what_is_loaded() -> None:
    tree = ast.parse(Path(qmia.__file__).read_text())
    seen = {
        alias.name: node.module
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == qmia._HOME


def test_face__when_a_name_is_unknown__then_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        qmia.scores  # noqa: B018 - the access is the test


def test_import__loads_no_part_of_it_and_no_torch() -> None:
    program = (
        "import sys, qmia; early = {*sys.modules} & {'torch', 'onnxruntime', 'web3', 'oracles'}; "
        "assert not early, early; qmia.clear; qmia.pack; qmia.replay; qmia.Provider; qmia.Terms; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", program], check=True)


#: Names whose examples need a deployment, in the order of one auction.
ON_CHAIN = (
    "Deployment",
    "connect",
    "LocalSigner",
    "Sender",
    "currencies",
    "Terms",
    "load_terms",
    "Buyer",
    "Provider",
    "Settler",
)


def run_example(name: str, names: dict[str, Any], *, node: str = "") -> dict[str, Any]:
    """Run the example of a name with these names known; gives all that are known afterwards."""
    function: Callable[..., Any] = getattr(qmia, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, globs=names)
    assert example.examples, f"{name} has no example"
    for step in example.examples:
        step.source = step.source.replace("http://127.0.0.1:8545", node)
    lines: list[str] = []
    doctest.DocTestRunner().run(example, out=lines.append, clear_globs=False)
    assert not lines, "".join(lines)
    return example.globs


@pytest.mark.parametrize("name", sorted(set(qmia.__all__) - set(ON_CHAIN)))
def test_docstring__example__runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name in ("Archive", "replay"):
        write_archive(tmp_path / "market.qmia-archive", everything())
    run_example(name, {})


def test_docstrings__of_what_needs_a_chain__run_one_auction(
    anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    market = Market(anvil, tmp_path / "market")
    market.deployment.save(tmp_path / "deployment.json")
    secret = bytes(signer("buyer").account.key)
    write_keystore(tmp_path / "me.json", secret, "the passphrase")
    (tmp_path / "terms.toml").write_text(TERMS.format(token=market.token.address))
    (tmp_path / "data.jsonl").write_bytes(market.data("me").read_bytes())
    known: dict[str, Any] = {"limits": qmia.Limits(window=WINDOW, exposed=1.0)}
    for name in ON_CHAIN:
        if name == "Settler":
            auction = known["auction"]
            market.open(auction)
            known["provider"].open(known["provider"].bids(auction))
            market.score(auction, SCORES[:1])
            phases = market.deployment.auction(market.web3).phases(auction)[1]
            market.jump(phases.reveal_start)
            known["provider"].bids(auction).reveal()
            market.jump(phases.reveal_end)
        known |= run_example(name, known, node=anvil.url)
    assert known["buyer"].view(known["auction"]).settled is not None


def test_version__of_the_command__is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert not ended.value.code
    assert (
        capsys.readouterr().out.strip() == f"qmia {version('qmia')}" == f"qmia {qmia.__version__}"
    )
