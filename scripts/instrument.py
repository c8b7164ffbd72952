"""The contracts with markers in them: what coverage and mutation both stand on.

A marker looks at the balance of an account of its own. The local chain knows afterwards which
accounts were looked at, even in calls that reverted: that is coverage, without source maps or
traces, whatever the optimizer does. And where the account has a wei, the marked place behaves
otherwise: that is a mutant, and hundreds of them need one compilation.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scripts.build import CONTRACTS, ROOT, compile_input, compile_sources
from tests.support import chain
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pytest

Node = dict[str, Any]

#: The markers' accounts start here; there are none beyond the limit.
BASE: Final = 0xC0FFEE000000
LIMIT: Final = 1 << 24
#: Its balance is the base fee of the blocks to come.
BASE_FEE: Final = "0x0000000000000000000000000000bA5eFEebA5e1"
#: Code with markers is larger than a chain allows.
CODE_LIMIT: Final = 1 << 20


class Wrap(NamedTuple):
    """Text around the bytes `start` to `end` of a file; wraps nest, they do not cross."""

    start: int
    end: int
    before: str
    after: str


def account(number: int) -> str:
    """The account of a marker."""
    return f"0x{BASE + number:040x}"


def marker(number: int) -> str:
    """True if the marker's account has a wei."""
    return f"address({BASE + number:#x}).balance != 0"


@dataclass
class Source:
    """One Solidity file: its bytes, its syntax tree (`src` counts bytes), and what to put in."""

    name: str
    text: bytes
    tree: Node
    wraps: list[Wrap] = field(default_factory=list)

    def line(self, offset: int) -> int:
        """Line of a byte, from 1."""
        return self.text.count(b"\n", 0, offset) + 1

    def wrapped(self) -> str:
        """The text with all wraps in it, as `in_revm` has it."""
        closes = sorted(self.wraps, key=lambda w: (w.end, -w.start))
        opens = sorted(self.wraps, key=lambda w: (w.start, -w.end))
        events = [(w.end, 0, n, w.after) for n, w in enumerate(closes)]
        events += [(w.start, 1, n, w.before) for n, w in enumerate(opens)]
        out, at = [], 0
        for position, _, _, text in sorted(events):
            out += [self.text[at:position].decode(), text]
            at = position
        out.append(self.text[at:].decode())
        return in_revm("".join(out))


def in_revm(text: str) -> str:
    """The text as the local chain runs it.

    Functions with markers read balances, so none is `pure`. The base fee, which pyrevm takes for 0,
    is a balance as well.
    """
    text = re.sub(r"\bpure\b", "view", text)
    return text.replace("block.basefee", f"address({BASE_FEE}).balance")


def span(node: Node) -> tuple[int, int]:
    """First byte of a node, and the one after its last."""
    start, length, _ = (int(part) for part in node["src"].split(":"))
    return start, start + length


def statement_span(source: Source, node: Node) -> tuple[int, int]:
    """As `span`, with the semicolon."""
    start, end = span(node)
    if source.text[end - 1 : end] not in b"};":
        end = source.text.index(b";", end) + 1
    return start, end


def walk(node: Any, path: tuple[tuple[Node, str], ...] = ()) -> Iterator[tuple[Node, Any]]:
    """Every node below, with its ancestors (nearest last) and the field of each it is under."""
    if isinstance(node, list):
        for each in node:
            yield from walk(each, path)
    elif isinstance(node, dict):
        if "nodeType" in node:
            yield node, path
        for key, value in node.items():
            if isinstance(value, dict | list) and key != "typeDescriptions":
                yield from walk(value, (*path, (node, key)) if "nodeType" in node else path)


def sources() -> dict[str, Source]:
    """The contracts, interfaces left out, by file name."""
    names = [file.relative_to(ROOT).as_posix() for file in sorted(CONTRACTS.rglob("*.sol"))]
    output = compile_sources(
        compile_input({name: (ROOT / name).read_text() for name in names}, {"*": {"": ["ast"]}})
    )
    return {
        name: Source(name, (ROOT / name).read_bytes(), output["sources"][name]["ast"])
        for name in names
        if "/interfaces/" not in name
    }


class Instrumented:
    """Puts marked contracts in the place of those that the tests would compile.

    Args:
      changed: text by file name; other project files are taken as `in_revm` has them.
      optimize: compile as for deployment; otherwise the code follows the source step by step.
    """

    def __init__(self, changed: dict[str, str], *, optimize: bool) -> None:
        self.changed = changed
        self.optimize = optimize
        setattr(chain, "compile_files", self.compile_files)  # noqa: B010 - another module's name
        setattr(chain, "tracked", list)  # noqa: B010 - the tracked artifacts have no marks
        Revm.code_limit = CODE_LIMIT
        Revm.fee_account = BASE_FEE

    def compile_files(self, files: list[Path]) -> tuple[dict[str, Node], Node]:
        """In place of `scripts.build.compile_files`."""
        request, output = self._compiled
        artifacts = {
            contract: {
                "contractName": contract,
                "abi": result["abi"],
                "bytecode": "0x" + result["evm"]["bytecode"]["object"],
                "deployedBytecode": "0x" + result["evm"]["deployedBytecode"]["object"],
            }
            for file in files
            for contract, result in output["contracts"]
            .get(file.relative_to(ROOT).as_posix(), {})
            .items()
            if result["evm"]["bytecode"]["object"]
        }
        return artifacts, request

    @cached_property
    def _compiled(self) -> tuple[Node, Node]:
        """All contracts and the tests' own, compiled together."""
        tests = (ROOT / "tests" / "contracts").rglob("*.sol")
        texts = {
            file.relative_to(ROOT).as_posix(): in_revm(file.read_text())
            for file in [*CONTRACTS.rglob("*.sol"), *tests]
        }
        wanted = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]
        request = compile_input(texts | self.changed, {name: {"*": wanted} for name in texts})
        if not self.optimize:
            steps = {"stackAllocation": True, "optimizerSteps": ":"}
            request["settings"]["optimizer"] = {
                "enabled": False,
                "details": {"yul": True, "yulDetails": steps},
            }
        return request, compile_sources(request, cached=True)


def reached(chains: Iterable[Revm]) -> set[int]:
    """The markers that executions on these chains came by."""
    addresses = (int(address, 16) for made in chains for address in made.accounts())
    return {address - BASE for address in addresses if BASE <= address < BASE + LIMIT}


def in_process(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests whose chain is in this process: no node knows of the markers."""
    nodes = {"anvil", "anvil_process", "ape"}

    def asks(item: pytest.Item) -> set[str]:
        chosen = item.callspec.params.values() if hasattr(item, "callspec") else ()
        return {*getattr(item, "fixturenames", ()), *filter(nodes.__contains__, map(str, chosen))}

    return [item for item in items if not nodes & asks(item)]


def save(path: Path, content: Any) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
