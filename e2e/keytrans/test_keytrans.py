"""The pieces, against what the draft and the RFCs print, and the vector file of this project."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from . import ecvrf, prefix, ristretto, suites, tiny, tls, trees, voprf
from .edwards import BASE, ORDER, Point, scalar_to_bytes
from .errors import Refused
from .messages import SearchRequest
from .run_vectors import OPERATIONS, read_cases, verify_case
from .structures import INCLUSION, NON_INCLUSION_PARENT, PrefixLeaf, PrefixProof, vrf_input
from .walk import Walk

ROOT = Path(__file__).resolve().parents[2]


def published(name: str) -> Any:
    """A file of published vectors; a loud skip where it is missing, a failure with CI=true."""
    folders = [os.environ.get("QPC_VECTORS"), ROOT / "../shared/vectors"]
    for folder in folders:
        if folder is not None and (Path(folder) / name).exists():
            return json.loads((Path(folder) / name).read_text())
    message = f"vector file {name} is missing; set QPC_VECTORS to the folder that holds it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


# Trees: figures and appendices of the draft.


def test_the_implicit_tree_is_that_of_the_figures() -> None:
    assert trees.root(50) == 31 and trees.frontier(50) == [31, 47, 49]
    assert trees.root(14) == 7 and (trees.left(7), trees.right(7, 14)) == (3, 11)
    assert (trees.left(11), trees.right(11, 14)) == (9, 13) and (trees.left(13), trees.right(13, 14)) == (12, None)
    assert trees.frontier(13) == [7, 11, 12] and trees.direct_path(3, 13) == [7]
    assert [trees.left(x) for x in (0, 2)] == [None, None]


def test_the_implicit_tree_is_the_inductive_definition() -> None:
    def paths(offset: int, size: int) -> dict[int, list[int]]:
        if size == 0:
            return {}
        root = (1 << size.bit_length() - 1) - 1
        below = {**paths(offset, root), **paths(offset + root + 1, size - root - 1)}
        return {offset + root: [offset + root], **{entry: [offset + root, *path] for entry, path in below.items()}}

    for size in range(1, 70):
        assert {entry: trees.path_to(entry, size) for entry in range(size)} == paths(0, size)


def test_ladders_are_those_of_the_draft() -> None:
    assert trees.base_ladder(6) == [0, 1, 3, 7, 5, 6]
    assert trees.base_ladder(2) == [0, 1, 3, 2]
    assert trees.base_ladder(0) == [0, 1]
    assert trees.monitoring_ladder(6) == [0, 1, 3, 5, 6]
    top = trees.base_ladder(2**32 - 1)
    assert top == [2**k - 1 for k in range(33)]
    assert trees.base_ladder(2**32 - 2)[-1] == 2**32 - 2


def test_search_ladders_are_those_of_the_appendix() -> None:
    """search_binary_ladder(t, n) of the appendix goes by the ladder for n; ours by that for t."""
    log = tiny.TinyLog(tiny.Secrets(0x0002, b"ladders"), tiny.configuration(tiny.Secrets(0x0002, b"ladders"), 0))

    class Counting(Walk):
        def __init__(self, greatest: int) -> None:
            super().__init__(log.config, 1)
            self.add_timestamp(0, 0)
            self.greatest, self.seen = greatest, []

        def begin_lookups(self, entry: int) -> Any:
            return self

        def look_up(self, version: int) -> bool:
            self.seen.append(version)
            return version <= self.greatest

        def end(self) -> None:
            pass

    for target in range(20):
        for greatest in range(20):
            base = trees.base_ladder(greatest)
            ends = (i + 1 for i, v in enumerate(base) if (v <= greatest and v > target) or (v > greatest and v <= target))
            walk = Counting(greatest)
            order = walk.search_ladder(0, target, omit=True)
            assert walk.seen == base[: next(ends, len(base))]
            assert order == (greatest > target) - (greatest < target)


def test_the_worked_example_comes_out() -> None:
    """13 entries, an observer of 4, a label whose greatest version is 2; entry 11 is the rightmost distinguished one."""
    secrets = tiny.Secrets(0x0002, b"worked example")
    log = tiny.TinyLog(secrets, tiny.configuration(secrets, 50))
    for entry in range(13):
        log.append(1000 + 10 * entry, [(b"alice", [b"v"])] if entry in (2, 5, 8) else [(b"bob", [b"w"])])
    response = log.search(SearchRequest(4, b"alice", None))
    assert tiny.Recorder(log, None, b"").rightmost_distinguished() == 11
    proof = response.search
    assert response.version == 2 and len(response.binary_ladder) == 4
    assert [step.commitment is None for step in response.binary_ladder] == [False, False, True, True]
    assert proof.timestamps == [log.timestamps[entry] for entry in (7, 11, 12)]
    included = [[result.result_type == INCLUSION for result in one.results] for one in proof.prefix_proofs]
    assert included == [[True, True, False, True], [False]]
    assert proof.prefix_roots == [log.prefix_root(7)]
    assert proof.inclusion == [log.node(4, 2), log.node(6, 1), log.node(8, 2), log.node(10, 1)]


def test_log_proofs_are_those_of_the_figures() -> None:
    leaves = {index: bytes([index]) * 32 for index in range(7)}

    def head(start: int, size: int) -> bytes:
        if size == 1:
            return leaves[start]
        return trees.log_parent(head(start, size // 2), size // 2, head(start + size // 2, size // 2), size // 2)

    root_6 = trees.log_root(6, {(0, 4): head(0, 4), (4, 2): head(4, 2)})
    assert trees.LogProof(6, {2: leaves[2]}, {}, [head(0, 2), leaves[3], head(4, 2)]).root(6) == root_6
    retained = {(0, 4): head(0, 4), (4, 1): leaves[4]}
    grown = trees.LogProof(7, {}, retained, [leaves[5], leaves[6]])
    assert grown.root(7) == trees.log_root(7, {(0, 4): head(0, 4), (4, 2): head(4, 2), (6, 1): leaves[6]})
    assert grown.root(5) == trees.log_root(5, retained)


def test_a_retained_subtree_that_is_opened_must_come_out_the_same() -> None:
    leaves = [bytes([index]) * 32 for index in range(4)]
    right = trees.log_parent(leaves[2], 1, leaves[3], 1)
    head = trees.log_parent(trees.log_parent(leaves[0], 1, leaves[1], 1), 2, right, 2)
    elements = [leaves[1], right]
    assert trees.LogProof(4, {0: leaves[0]}, {(0, 4): head}, elements).root(4) == head
    for wrong, what in (([leaves[2], right], "retained"), (elements[:1], "inclusion"), ([*elements, head], "inclusion")):
        with pytest.raises(Refused, match=what):
            trees.LogProof(4, {0: leaves[0]}, {(0, 4): head}, wrong)


def figure_tree() -> dict[bytes, bytes]:
    """The five keys of the draft's figure, as prefixes."""
    keys = ["00010", "00101", "10001", "10111", "11011"]
    return {int(key.ljust(256, "0"), 2).to_bytes(32, "big"): bytes([i]) * 32 for i, key in enumerate(keys)}


def test_prefix_proofs_show_root_and_insertion() -> None:
    leaves = figure_tree()
    new = int("01101".ljust(256, "0"), 2).to_bytes(32, "big")
    assert tiny.prefix_proof(leaves, [new]).results[0].depth == 2
    assert tiny.prefix_proof(leaves, [new]).results[0].result_type == NON_INCLUSION_PARENT
    keys = [*leaves, new, bytes(32), b"\xff" * 32]
    for wanted in ([key] for key in keys), [keys], [[]]:
        for some in wanted:
            proof = tiny.prefix_proof(leaves, some)
            tree = prefix.evaluate(proof, some, [leaves.get(key) for key in some])
            assert prefix.value_of(tree) == tiny.prefix_value(leaves)
    proof = tiny.prefix_proof(leaves, [new, bytes(32)])
    tree = prefix.evaluate(proof, [new, bytes(32)], [None, None])
    for key in (new, bytes(32)):
        tree = prefix.with_leaf(tree, PrefixLeaf(key, key))
    assert prefix.value_of(tree) == tiny.prefix_value({**leaves, new: new, bytes(32): bytes(32)})


def test_bad_prefix_proofs_are_refused() -> None:
    leaves = figure_tree()
    key, other = list(leaves)[:2]
    proof = tiny.prefix_proof(leaves, [key])
    result = proof.results[0]
    for worse in (
        PrefixProof([result, result], proof.elements),
        PrefixProof(proof.results, proof.elements[1:]),
        PrefixProof(proof.results, [*proof.elements, bytes(32)]),
        PrefixProof([type(result)(result.result_type, None, 0)], proof.elements),
        PrefixProof([type(result)(2, PrefixLeaf(key, leaves[key]), result.depth)], proof.elements),
        PrefixProof([type(result)(2, PrefixLeaf(b"\xff" * 32, leaves[key]), result.depth)], proof.elements),
    ):
        with pytest.raises(Refused):
            prefix.evaluate(worse, [key], [leaves[key]])
    both = PrefixProof([result, type(result)(NON_INCLUSION_PARENT, None, result.depth - 1)], proof.elements)
    with pytest.raises(Refused, match="below an end"):
        prefix.evaluate(both, [key, other], [leaves[key], None])


def test_tls_vectors_count_elements() -> None:
    assert tls.read_all(b"\x02" + bytes(15) + b"\x01", lambda r: r.vector(1, tls.Reader.u64)) == [0, 1]
    for bad in (b"\x02" + bytes(15), b"", b"\x01", b"\x00\x00"):
        with pytest.raises(Refused):
            tls.read_all(bad, lambda r: r.vector(1, tls.Reader.u64))
    with pytest.raises(Refused, match="presence"):
        tls.read_all(b"\x02\x00", lambda r: r.optional(tls.Reader.u8))


# RFC 9381 appendix B.3: ECVRF-EDWARDS25519-SHA512-TAI (secret key, input, proof, output).

ECVRF = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97"
        "27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
        "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af02679"
        "8e8f81cd2e333de5cdf4f3e140fdd8ae",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465"
        "301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
        "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848"
        "a0bef4553a41befc57663b56373a5031",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0"
        "e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
        "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241"
        "578be7217ba85a2687f7a0310b2df19f",
    ),
]


@pytest.mark.parametrize(("secret", "alpha", "proof", "output"), ECVRF)
def test_ecvrf_is_that_of_the_rfc(secret: str, alpha: str, proof: str, output: str) -> None:
    key, message = bytes.fromhex(secret), bytes.fromhex(alpha)
    public = (BASE * ecvrf.secret_scalar(key)).encode()
    assert ecvrf.prove(key, message).hex() == proof
    assert ecvrf.verify(public, message, bytes.fromhex(proof)).hex() == output
    assert suites.vrf_output(0x0002, public, message, bytes.fromhex(proof)).hex() == output[:64]
    for at in range(0, 80, 5):
        worse = bytearray.fromhex(proof)
        worse[at] ^= 4
        with pytest.raises(Refused):
            ecvrf.verify(public, message, bytes(worse))
    with pytest.raises(Refused):
        ecvrf.verify(public, message + b"x", bytes.fromhex(proof))


def test_points_and_scalars_that_are_not_canonical_are_refused() -> None:
    for bad in (b"\xff" * 32, (2**255 - 19).to_bytes(32, "little"), (1 | 1 << 255).to_bytes(32, "little"), bytes(31)):
        with pytest.raises(Refused):
            Point.decode(bad)
    proof = bytes.fromhex(ECVRF[0][2])
    public = (BASE * ecvrf.secret_scalar(bytes.fromhex(ECVRF[0][0]))).encode()
    s = int.from_bytes(proof[48:], "little") + ORDER
    with pytest.raises(Refused, match="canonical"):
        ecvrf.verify(public, b"", proof[:48] + s.to_bytes(32, "little"))
    with pytest.raises(Refused, match="small order"):
        ecvrf.verify((1).to_bytes(32, "little"), b"", proof)


# RFC 9496 appendices A.1 and A.2.

MULTIPLES = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
    "da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57",
    "e882b131016b52c1d3337080187cf768423efccbb517bb495ab812c4160ff44e",
    "f64746d3c92b13050ed8d80236a7f0007c3b3f962f5ba793d19a601ebb1df403",
    "44f53520926ec81fbd5a387845beb7df85a96a24ece18738bdcfa6a7822a176d",
    "903293d8f2287ebe10e2374dc1a53e0bc887e592699f02d077d5263cdd55601c",
    "02622ace8f7303a31cafc63f8fc48fdc16e1c8c8d234b2f0d6685282a9076031",
    "20706fd788b2720a1ed2a5dad4952b01f413bcf0e7564de8cdc816689e2db95f",
    "bce83f8ba5dd2fa572864c24ba1810f9522bc6004afe95877ac73241cafdab42",
    "e4549ee16b9aa03099ca208c67adafcafa4c3f3e4e5303de6026e3ca8ff84460",
    "aa52e000df2e16f55fb1032fc33bc42742dad6bd5a8fc0be0167436c5948501f",
    "46376b80f409b29dc2b5f6f0c52591990896e5716f41477cd30085ab7f10301e",
    "e0c418f7c8d9c4cdd7395b93ea124f3ad99021bb681dfc3302a9d99a2e53e64e",
]

# Not canonical; negative; no square; negative xy; s = -1.
BAD = """
00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
0100000000000000000000000000000000000000000000000000000000000000 01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20 c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562
c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78 47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24
f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72 87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309
26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371 4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f
de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042
2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08 f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22
8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731 2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b
3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220
d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e 8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32
32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b 227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165
5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e 445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b
ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
""".split()


def test_ristretto_is_that_of_the_rfc() -> None:
    for scalar, encoded in enumerate(MULTIPLES):
        point = BASE * scalar
        assert ristretto.encode(point).hex() == encoded
        assert ristretto.is_same(ristretto.decode(bytes.fromhex(encoded)), point)
        # Points that differ by one of order 4 are one element.
        torsion = Point.decode(bytes(32))
        assert ristretto.encode(point + torsion).hex() == encoded
    assert len(BAD) == 29 and len(MULTIPLES) == 16
    for bad in BAD:
        with pytest.raises(Refused):
            ristretto.decode(bytes.fromhex(bad))


def test_voprf_is_that_of_the_rfc() -> None:
    everything = published("voprf/allVectors.json")
    [suite] = [one for one in everything if one["identifier"] == "ristretto255-SHA512" and one["mode"] == 1]
    key = bytes.fromhex(suite["pkSm"])
    secret = int.from_bytes(bytes.fromhex(suite["skSm"]), "little")
    assert ristretto.encode(BASE * secret) == key
    for vector in suite["vectors"]:
        columns = ("Input", "Blind", "BlindedElement", "EvaluationElement", "Output")
        rows = list(zip(*([bytes.fromhex(part) for part in vector[name].split(",")] for name in columns)))
        for message, blind, blinded, evaluated, output in rows:
            point = voprf.hash_to_group(message)
            assert ristretto.encode(point * int.from_bytes(blind, "little")) == blinded
            assert ristretto.encode(ristretto.decode(blinded) * secret) == evaluated
            assert voprf.finalize(message, ristretto.encode(point * secret)) == output
        blinded, evaluated = ([ristretto.decode(row[at]) for row in rows] for at in (2, 3))
        proof = bytes.fromhex(vector["Proof"]["proof"])
        voprf.verify_proof(key, blinded, evaluated, proof)
        r = int.from_bytes(bytes.fromhex(vector["Proof"]["r"]), "little")
        assert voprf.make_proof(secret, key, blinded, evaluated, r) == proof
        with pytest.raises(Refused):
            voprf.verify_proof(key, evaluated, blinded, proof)


# docs/key-transparency-suite.md, "Example".

EXAMPLE = {
    "k": "25f79ba00d4959d012c9845bdec834e8ac949c82975df8b86a4b39438ccd7400",
    "pk": "38cda187d194fa91130aef65f196211a362fc39ff803fa3990feba8781615429",
    "input": "05616c69636500000000",
    "P": "a2f132c6803bec31a772e2d9490249ca497056910504a2734a63aca26ef34936",
    "Z": "8c64242857a2fdc3aacd90f89c11b4c4b351183760d11dc98cc3321b424bc865",
    "c": "d737af74144adb4a95c42154da5cf0557d3c77c97a233dbc180377050bca5f03",
    "s": "a41c30c262a5db338460653cda4a89e117438175b94da0df55809bfe6f024a0e",
    "output": "e27956cfae8325ac1d3569defaade88dfc74df1778ff20a2af3fda2647d11800",
}


def test_our_suite_is_that_of_its_document() -> None:
    example = {name: bytes.fromhex(value) for name, value in EXAMPLE.items()}
    k = tiny.derive_scalar(bytes(range(32)))
    assert scalar_to_bytes(k) == example["k"] and ristretto.encode(BASE * k) == example["pk"]
    assert vrf_input(b"alice", 0) == example["input"]
    assert ristretto.encode(voprf.hash_to_group(example["input"])) == example["P"]
    proof = example["Z"] + example["c"] + example["s"]
    assert tiny.oblivious_proof(k, example["input"]) == proof
    assert suites.vrf_output(0xF001, example["pk"], example["input"], proof) == example["output"]
    for at in range(0, 96, 5):
        worse = bytearray(proof)
        worse[at] ^= 2
        with pytest.raises(Refused):
            suites.vrf_output(0xF001, example["pk"], example["input"], bytes(worse))
    with pytest.raises(Refused, match="identity"):
        suites.vrf_output(0xF001, example["pk"], example["input"], bytes(32) + proof[32:])
    with pytest.raises(Refused, match="identity"):
        suites.suite_of(0xF001).check_vrf_key(bytes(32))


def test_the_vector_file_comes_out_as_it_says() -> None:
    cases = read_cases(ROOT / "crates/keytrans/vectors/keytrans.json")
    assert {case["operation"] for case in cases} == set(OPERATIONS) - {"auditor-update"}
    for case in cases:
        verify_case(case)
