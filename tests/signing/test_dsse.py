"""Envelopes: the encoding of the specification, a second implementation, what a signature shows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.attestation import Standing, Statement
from audit.errors import UserError
from audit.signing import dsse, inspect_envelope, keys

ATTESTED, ASSERTED, NOT_COVERED, BROKEN = Standing.ATTESTED, Standing.ASSERTED, Standing.NOT_COVERED, Standing.BROKEN
KINDS = ("ec", "ec384", "rsa", "ed25519")


@pytest.fixture(scope="module")
def parties(pki: Any) -> dict[str, Any]:
    """Somebody with each kind of key."""
    return {kind: pki.party(f"Signer with {kind} (invented)", above=pki.issuing, kind=kind) for kind in KINDS}


@pytest.fixture(scope="module")
def envelopes(parties: Any, key_of: Any, statement: bytes) -> dict[str, bytes]:
    out = {}
    for kind, party in parties.items():
        with keys.opened(str(key_of(party)), (), lambda _: "correct horse") as key:
            out[kind] = dsse.sign(statement, key)
    return out


def standings(said: tuple[Statement, ...]) -> dict[str, Standing]:
    return {each.about: each.standing for each in said}


def test_the_encoding_is_that_of_the_specification() -> None:
    """DSSE protocol 1.0.2, "Test Vectors"."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(kind=st.text(), body=st.binary())
def test_the_encoding_counts_bytes(kind: str, body: bytes) -> None:
    version, length, rest = dsse.pae(kind, body).split(b" ", 2)
    name = kind.encode()

    assert (version, int(length)) == (b"DSSEv1", len(name))
    assert rest == name + b" " + str(len(body)).encode() + b" " + body


@pytest.mark.parametrize("kind", KINDS)
def test_another_implementation_accepts_the_envelope(kind: str, envelopes: Any, parties: Any, statement: bytes) -> None:
    lib = pytest.importorskip("securesystemslib.dsse", reason="needs securesystemslib")
    from securesystemslib.signer import SSlibKey

    held = json.loads(envelopes[kind])
    public = parties[kind].key.public_key()
    scheme = {"rsa": "rsa-pkcs1v15-sha256"}.get(kind)
    key = SSlibKey.from_crypto(public, held["signatures"][0]["keyid"], scheme)

    envelope = lib.Envelope.from_dict(held)

    assert envelope.verify([key], 1)
    assert (envelope.payload_type, envelope.payload) == ("application/vnd.in-toto+json", statement)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_implementation_refuses_another_payload(kind: str, envelopes: Any, parties: Any) -> None:
    lib = pytest.importorskip("securesystemslib.dsse", reason="needs securesystemslib")
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    held = json.loads(envelopes[kind])
    held["payload"] = base64.b64encode(b"{}").decode()
    scheme = {"rsa": "rsa-pkcs1v15-sha256"}.get(kind)
    key = SSlibKey.from_crypto(parties[kind].key.public_key(), held["signatures"][0]["keyid"], scheme)

    with pytest.raises(VerificationError):
        lib.Envelope.from_dict(held).verify([key], 1)


def test_an_envelope_of_another_implementation_is_understood(
    pki: Any, statement: bytes, saved: Callable[..., Path]
) -> None:
    """It brings no certificate, so the reader gives the signer's own; RSA is padded the other way (PSS)."""
    lib = pytest.importorskip("securesystemslib.dsse", reason="needs securesystemslib")
    from cryptography.hazmat.primitives.serialization import Encoding
    from securesystemslib.signer import CryptoSigner

    other = pki.party("Elsewhere (invented)", above=pki.issuing, kind="rsa")
    envelope = lib.Envelope(statement, "application/vnd.in-toto+json", {})
    envelope.sign(CryptoSigner(other.key))
    theirs = json.dumps(envelope.to_dict()).encode()
    own = saved("own.pem", other.certificate.public_bytes(Encoding.PEM))

    assert standings(inspect_envelope(theirs, [own]))["the signature"] is ATTESTED
    assert inspect_envelope(theirs)[1].says == (
        "It brings no certificate, and no certificate that you trust has made it."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_trusted_signature_is_attested_and_its_time_is_not(kind: str, envelopes: Any, roots: Any) -> None:
    assert standings(inspect_envelope(envelopes[kind], roots)) == {
        "the statement": ASSERTED,
        "the signature": ATTESTED,
        "the signing certificate": ATTESTED,
        "the time of signing": NOT_COVERED,
    }


def test_an_unknown_key_is_stated(envelopes: Any) -> None:
    said = inspect_envelope(envelopes["ec"])

    assert standings(said)["the signature"] is ASSERTED
    assert "the key is unknown, so anybody may have made it (no roots were given: " in said[2].says


def test_an_expired_certificate_is_stated(pki: Any, envelopes: Any, roots: Any) -> None:
    said = inspect_envelope(envelopes["ec"], roots, now=pki.now + timedelta(days=5000))

    assert standings(said)["the signing certificate"] is ASSERTED
    assert "it is out of term" in said[2].says


@pytest.mark.parametrize("field", ["payload", "payloadType", "sig"])
def test_a_change_is_noticed(field: str, envelopes: Any, roots: Any) -> None:
    held = json.loads(envelopes["ec"])
    place = held["signatures"][0] if field == "sig" else held
    text = place[field]
    place[field] = text[:8] + ("A" if text[8] != "A" else "B") + text[9:]

    said = inspect_envelope(json.dumps(held).encode(), roots)

    assert standings(said)["the signature"] is BROKEN
    assert ATTESTED not in standings(said).values()


def test_a_certificate_of_somebody_else_does_not_lend_its_name(pki: Any, envelopes: Any, roots: Any) -> None:
    held = json.loads(envelopes["ec"])
    held["signatures"][0]["cert"] = pki.signer.pem().decode()

    said = inspect_envelope(json.dumps(held).encode(), roots)

    assert standings(said)["the signature"] is BROKEN


def test_an_envelope_without_signatures_says_so(envelopes: Any) -> None:
    held = json.loads(envelopes["ec"]) | {"signatures": []}

    said = inspect_envelope(json.dumps(held).encode())

    assert standings(said) == {"the statement": ASSERTED, "the signature": NOT_COVERED}


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"\xff", b'{"payload": 1, "payloadType": "", "signatures": []}', b"[" * 100_000,
     b'{"payload": "*", "payloadType": "", "signatures": []}',
     b'{"payload": "", "payloadType": "", "signatures": [1]}'],
)  # fmt: skip
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(UserError, match="The envelope cannot be read"):
        inspect_envelope(data)


@pytest.mark.parametrize("signature", [{}, {"sig": 1}, {"sig": "*"}, {"sig": "", "cert": 1}, {"sig": "", "cert": "x"}])
def test_a_signature_that_cannot_be_read_is_broken(signature: Any, envelopes: Any) -> None:
    held = json.loads(envelopes["ec"]) | {"signatures": [signature]}

    assert standings(inspect_envelope(json.dumps(held).encode()))["the signature"] is BROKEN


@pytest.mark.parametrize("content", [b"", b"{}", b'{"_type": "x"}', b'{"_type": 3}', b"[]", b"\xff"])
def test_what_is_no_statement_is_not_signed(content: bytes, pki: Any, key_of: Any) -> None:
    with (
        keys.opened(str(key_of(pki.signer)), (), lambda _: "correct horse") as key,
        pytest.raises(UserError, match="The file cannot be signed"),
    ):
        dsse.sign(content, key)


def test_an_envelope_of_a_certificate_of_its_own_making_is_by_an_unknown_key(
    pki: Any, key_of: Any, statement: bytes
) -> None:
    party = pki.own_made("Quality Department (invented)")
    with keys.opened(str(key_of(party)), (), lambda _: "correct horse") as key:
        said = inspect_envelope(dsse.sign(statement, key), [])

    assert standings(said)["the signing certificate"] is ASSERTED
    assert next(each.says for each in said if each.about == "the statement").startswith("It speaks of sha256:")
