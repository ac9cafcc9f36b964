"""A second verifier of key transparency, made from the documents alone.

Sources: draft-ietf-keytrans-protocol, docs/key-transparency.md (how it is read), docs/key-transparency-suite.md, RFC 9381 (ECVRF),
RFC 9496 (ristretto255), RFC 9497 (VOPRF). `run_vectors.verify_case` is the entry.
"""
