// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Equality of discrete logarithms on secp256k1, checked with the precompile ecrecover
/// @notice Shows log_G(B) = log_E(S): that S is the point which the owners of B and of E share.
///
/// For a point P and scalars a, b, ecrecover gives the address of aG + bP: with r = P.x it returns
/// r⁻¹ (s P − h G), so h = −a r and s = b r. The sum of two points other than G it cannot give; T − U is therefore added
/// here from coordinates, of which ecrecover has checked the addresses.
library ChaumPedersen {
    uint256 internal constant P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f;
    uint256 internal constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    struct Point {
        uint256 x;
        uint256 y;
    }

    /// @param shared S.
    /// @param t zE.
    /// @param u cS.
    /// @param slope (t.y + u.y) / (t.x − u.x) mod p.
    struct Proof {
        Point shared;
        Point t;
        Point u;
        uint256 slope;
        uint256 c;
        uint256 z;
    }

    /// @notice Whether the proof holds for B and E, both known to be on the curve.
    /// @param context Whatever the proof must not be moved to another place of.
    function verify(bytes32 context, Point memory b, Point memory e, Proof memory proof) internal pure returns (bool) {
        Point memory s = proof.shared;
        // Zero scalars, and x of 0 or not below n, make ecrecover answer with address 0, which is refused below.
        if (!onCurve(s) || proof.c >= N || proof.z >= N) return false;
        address r1 = combine(proof.z, N - proof.c, b);
        address t = combine(0, proof.z, e);
        address u = combine(0, proof.c, s);
        if (r1 == address(0) || t == address(0) || u == address(0)) return false;
        if (t != addressOf(proof.t) || u != addressOf(proof.u)) return false;
        (bool ok, address r2) = _difference(proof.t, proof.u, proof.slope);
        return ok && proof.c == uint256(keccak256(abi.encode(context, b, e, s, r1, r2))) % N;
    }

    /// @notice Address of aG + bP; 0 where P.x is 0 or not below n, where b is 0 mod n, or where the sum is the neutral
    /// element.
    function combine(uint256 a, uint256 b, Point memory p) internal pure returns (address) {
        if (p.x >= N) return address(0);
        uint256 h = mulmod(a, p.x, N);
        return
            ecrecover(
                bytes32(h == 0 ? 0 : N - h),
                // forge-lint: disable-next-line(unsafe-typecast)
                uint8(27 + (p.y & 1)),
                bytes32(p.x),
                bytes32(mulmod(b % N, p.x, N))
            );
    }

    function onCurve(Point memory p) internal pure returns (bool) {
        return p.x < P && p.y < P && mulmod(p.y, p.y, P) == addmod(mulmod(mulmod(p.x, p.x, P), p.x, P), 7, P);
    }

    function addressOf(Point memory p) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(p.x, p.y)))));
    }

    /// @dev Address of T − U from the slope of the line through T and −U. Both are on the curve, below p.
    function _difference(
        Point memory t,
        Point memory u,
        uint256 slope
    ) private pure returns (bool ok, address difference) {
        uint256 run = addmod(t.x, P - u.x, P);
        if (run == 0 || slope >= P || mulmod(slope, run, P) != addmod(t.y, u.y, P)) return (false, address(0));
        uint256 x = addmod(addmod(mulmod(slope, slope, P), P - t.x, P), P - u.x, P);
        uint256 y = addmod(mulmod(slope, addmod(t.x, P - x, P), P), P - t.y, P);
        return (true, addressOf(Point(x, y)));
    }
}
