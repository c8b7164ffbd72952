"""A set-up file whose secret is known, and a `bb` that believes in it. For tests only.

The real one is of many megabytes and comes from a network. `bb` has its point [x]₂ built in, so a
copy of the program with another point in that place checks proofs that were made with this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oracles.proof import tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47
ORDER = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
#: The secret that nobody may know.
TAU = 0x1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF
#: [x]₂ of the Ignition ceremony as the program has it: x and y, the part of u last in each.
IGNITION = bytes.fromhex(
    "0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0"
    "260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1"
    "22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e55"
    "04fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4"
)
#: The generator of G2, each coordinate a + b·u.
G2 = (
    (
        0x1800DEEF121F1E76426A00665E5C4479674322D4F75EDADD46DEBD5CD992F6ED,
        0x198E9393920D483A7260BFB731FB5D25F1AA493335A9E71297E485B7AEF312C2,
    ),
    (
        0x12C85EA5DB8C6DEB4AAB71808DCB408FE3D1E7690C43D37B4CE6CC0166FA7DAA,
        0x090689D0585FF075EC9E99AD690C3395BC4B313370B38EF355ACDADCD122975B,
    ),
)
_WINDOW = 8


def _inverses(values: list[int]) -> list[int]:
    """Inverses modulo P, by Montgomery's trick."""
    products, running = [], 1
    for value in values:
        products.append(running)
        running = running * value % P
    inverse = pow(running, -1, P)
    found = [0] * len(values)
    for place in reversed(range(len(values))):
        found[place] = inverse * products[place] % P
        inverse = inverse * values[place] % P
    return found


def _add(points: list[Any], others: list[Any]) -> list[Any]:
    """Sums of pairs of points of G1; None is zero. No pair is of a point and itself."""
    pairs = [(a, b) for a, b in zip(points, others, strict=True) if a and b]
    inverses = iter(_inverses([(b[0] - a[0]) % P for a, b in pairs]))
    sums = []
    for a, b in zip(points, others, strict=True):
        if not (a and b):
            sums.append(a or b)
            continue
        slope = (b[1] - a[1]) * next(inverses) % P
        x = (slope * slope - a[0] - b[0]) % P
        sums.append((x, (slope * (a[0] - x) - a[1]) % P))
    return sums


def _double(point: Any) -> Any:
    x, y = point
    slope = 3 * x * x * pow(2 * y, -1, P) % P
    twice = (slope * slope - 2 * x) % P
    return twice, (slope * (x - twice) - y) % P


def powers(count: int) -> bytes:
    """Points τ⁰·G, τ¹·G, … as the program reads them: x and y, 32 bytes each."""
    scalars = [1]
    while len(scalars) < count:
        scalars.append(scalars[-1] * TAU % ORDER)
    points: list[Any] = [None] * count
    base: Any = (1, 2)
    for window in range(0, 256, _WINDOW):
        table: list[Any] = [None, base]
        while len(table) < 1 << _WINDOW:
            half = table[len(table) // 2]
            table.append(_double(half) if len(table) % 2 == 0 else _add([table[-1]], [base])[0])
        mask = (1 << _WINDOW) - 1
        points = _add(points, [table[(scalar >> window) & mask] for scalar in scalars])
        for _ in range(_WINDOW):
            base = _double(base)
    return b"".join(x.to_bytes(32, "big") + y.to_bytes(32, "big") for x, y in points)


def _times(a: Any, b: Any) -> Any:
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def _less(a: Any, b: Any) -> Any:
    return (a[0] - b[0]) % P, (a[1] - b[1]) % P


def _over(a: Any, b: Any) -> Any:
    norm = pow(b[0] * b[0] + b[1] * b[1], -1, P)
    return _times(a, (b[0] * norm % P, -b[1] * norm % P))


def _chord(a: Any, b: Any) -> Any:
    if a == b:
        square = _times(a[0], a[0])
        slope = _over((3 * square[0], 3 * square[1]), (2 * a[1][0], 2 * a[1][1]))
    else:
        slope = _over(_less(b[1], a[1]), _less(b[0], a[0]))
    x = _less(_less(_times(slope, slope), a[0]), b[0])
    return x, _less(_times(slope, _less(a[0], x)), a[1])


def second_point() -> bytes:
    """[τ]₂ as the program has it: x and y, the part of u last in each."""
    found: Any = None
    for bit in bin(TAU)[2:]:
        if found:
            found = _chord(found, found)
        if bit == "1":
            found = _chord(found, G2) if found else G2
    return b"".join(part.to_bytes(32, "big") for each in found for part in each)


def believing(verifier: str) -> str:
    """The source of a verifier that `bb` generated, with its point replaced as in the program."""
    point = second_point()
    for at in range(0, 128, 32):
        real = IGNITION[at : at + 32].hex()
        assert verifier.count(real) == 1
        verifier = verifier.replace(real, point[at : at + 32].hex())
    return verifier


def lay_out(zk: Path, change: Callable[[bytes], bytes]) -> None:
    """A folder of tools like the installed one, but for a change of the program."""
    real = tools.folder()
    program = tools.program(real)
    target = zk / program.relative_to(real)
    target.parent.mkdir(parents=True)
    target.write_bytes(change(program.read_bytes()))
    target.chmod(0o755)
    for path in real.iterdir():
        if path.name not in ("build", "node_modules"):
            (zk / path.name).symlink_to(path)
    (zk / "node_modules" / "@noir-lang").symlink_to(real / "node_modules" / "@noir-lang")


def believe(program: bytes) -> bytes:
    """The program with our point in the place of the ceremony's."""
    assert program.count(IGNITION) == 1
    return program.replace(IGNITION, second_point())


def install(folder: Path, count: int) -> dict[str, str]:
    """Lay out tools and a set-up file of so many points; gives the variables that name them."""
    zk, crs = folder / "zk", folder / "crs"
    lay_out(zk, believe)
    crs.mkdir()
    (crs / "bn254_g1.dat").write_bytes(powers(count))
    return {"QMIA_ZK": str(zk), "QMIA_CRS": str(crs)}
