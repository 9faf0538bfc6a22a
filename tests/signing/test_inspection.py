"""What a signature shows, in plain words: intact, covered, by whom, since when; and what was done to it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from audit.attestation import Standing, Statement
from audit.errors import UserError
from audit.signing import inspect

ATTESTED, ASSERTED, NOT_COVERED, BROKEN = Standing.ATTESTED, Standing.ASSERTED, Standing.NOT_COVERED, Standing.BROKEN


def standings(said: Sequence[Statement]) -> dict[str, Standing]:
    assert len({each.about for each in said}) == len(said)
    return {each.about: each.standing for each in said}


def says(said: Sequence[Statement], about: str) -> str:
    (found,) = (each.says for each in said if each.about == about)
    return found


# ---- whole -------------------------------------------------------------------------------------


def test_a_signature_for_archives_attests_everything_that_a_signature_can(sealed: Any, roots: Any) -> None:
    said = inspect(sealed["b-lta"], roots)

    assert standings(said) == {
        "the signature": ATTESTED,
        "the file since it was signed": ATTESTED,
        "the signing certificate": ATTESTED,
        "the time of signing": ATTESTED,
        "the level of the signature": ATTESTED,
        "revocation": ATTESTED,
        "what the signer states": ASSERTED,
        "what a signature covers": NOT_COVERED,
    }
    assert says(said, "the level of the signature").startswith("PAdES B-LTA, ")
    assert says(said, "the file since it was signed") == (
        "Only what keeps the signature checkable was added (certificates, revocation lists, timestamps)."
    )


def test_a_signature_without_a_timestamp_leaves_the_time_to_the_signer(sealed: Any, roots: Any) -> None:
    said = inspect(sealed["b-b"], roots)

    assert standings(said) == {
        "the signature": ATTESTED,
        "the file since it was signed": ATTESTED,
        "the signing certificate": ATTESTED,
        "the time of signing": ASSERTED,
        "the level of the signature": ATTESTED,
        "revocation": NOT_COVERED,
        "what the signer states": ASSERTED,
        "what a signature covers": NOT_COVERED,
    }
    assert says(said, "the file since it was signed") == "The signature covers the whole file: nothing was added."
    assert says(said, "what the signer states") == (
        "name: A. Nobody (invented); reason: Issued; location: Nowhere. Nobody has checked it."
    )


def test_a_timestamp_attests_the_time_only_by_a_root_that_is_trusted(sealed: Any, roots: Any) -> None:
    both, signer_only = inspect(sealed["b-t"], roots), inspect(sealed["b-t"], roots[:1])

    assert standings(both)["the time of signing"] is ATTESTED
    assert standings(signer_only)["the time of signing"] is ASSERTED
    assert says(both, "the level of the signature").startswith("PAdES B-T, ")


@pytest.mark.parametrize("level", ["b-b", "b-t", "b-lta"])
def test_an_unknown_key_is_stated(level: str, sealed: Any) -> None:
    said = inspect(sealed[level])

    found = standings(said)
    assert {found[about] for about in ("the signature", "the file since it was signed", "the signing certificate")} == {
        ASSERTED
    }
    assert says(said, "the signing certificate").endswith(
        ": the key is unknown, so anybody may have made it (no roots were given: give the root certificates that "
        "you trust (--trust FILE))."
    )


def test_a_signer_of_the_same_name_under_another_root_is_unknown(
    pki: Any, sign: Callable[..., Any], roots: Any
) -> None:
    said = inspect(sign(pki.stranger).data, roots)

    assert "“Quality Department (invented)”, issued by “Unknown Root”" in says(said, "the signature")
    assert says(said, "the signing certificate").endswith(
        ": the key is unknown, so anybody may have made it (none of the roots that you trust vouches for it)."
    )


def test_a_certificate_of_its_own_making_is_unknown_and_not_broken(
    pki: Any, sign: Callable[..., Any], roots: Any
) -> None:
    said = inspect(sign(pki.own_made("Quality Department (invented)")).data, roots)

    assert standings(said)["the signing certificate"] is ASSERTED
    assert says(said, "the signing certificate").endswith(
        ": the key is unknown, so anybody may have made it (none of the roots that you trust vouches for it)."
    )


def test_no_revocation_list_is_claimed_for_a_certificate_of_its_own_making(
    pki: Any, sign: Callable[..., Any], saved: Callable[..., Path]
) -> None:
    party = pki.own_made("Quality Department (invented)")
    pinned = saved("own.pem", party.certificate.public_bytes(Encoding.PEM))

    said = inspect(sign(party).data, [pinned])

    assert standings(said)["the signing certificate"] is ATTESTED
    assert standings(said)["revocation"] is NOT_COVERED
    assert says(said, "revocation") == (
        "You trust the signing certificate itself. No revocation list is kept over it: ask whose it is."
    )


def test_a_certificate_that_is_trusted_itself_needs_no_root(pki: Any, sealed: Any, saved: Callable[..., Path]) -> None:
    pinned = saved("pinned.pem", pki.signer.certificate.public_bytes(Encoding.PEM))

    assert standings(inspect(sealed["b-b"], [pinned]))["the signing certificate"] is ATTESTED


def test_a_report_without_a_signature_says_so(report: bytes) -> None:
    assert inspect(report) == (
        Statement(
            about="the signature",
            standing=NOT_COVERED,
            says="The file holds no signature: nothing in it shows who issued it, or that it is unchanged.",
        ),
    )


def test_inspecting_uses_no_network(sealed: Any, roots: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)

    assert standings(inspect(sealed["b-t"], roots))["revocation"] is NOT_COVERED


# ---- ten years later -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def years_ago(pki: Any, report: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """A report signed nine years ago, B-B and B-LTA, by a certificate that ended two years later; and the roots."""
    from asn1crypto import keys, x509
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import signers
    from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
    from pyhanko.sign.timestamps import DummyTimeStamper
    from pyhanko_certvalidator import ValidationContext

    past = type(pki)(url=pki.url, now=datetime.now(UTC).replace(microsecond=0) - timedelta(days=9 * 365))

    def asn1(party: Any) -> Any:
        return x509.Certificate.load(party.certificate.public_bytes(Encoding.DER))

    clock_key = past.clock.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    clock = DummyTimeStamper(asn1(past.clock), keys.PrivateKeyInfo.load(clock_key), fixed_dt=past.now)
    lists = [past.crl(each.certificate.serial_number) for each in (past.root, past.issuing, past.clock_root)]
    then = ValidationContext(
        trust_roots=[asn1(past.root), asn1(past.clock_root)], other_certs=[asn1(past.issuing)], crls=lists,
        moment=past.now, revocation_mode="require",
    )  # fmt: skip
    signer = signers.SimpleSigner.load_pkcs12_data(past.signer.p12(None), [], None)

    def signed(**more: Any) -> bytes:
        about = signers.PdfSignatureMetadata(
            field_name="Signature", subfilter=SigSeedSubFilter.PADES, certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES, **more,
        )  # fmt: skip
        archived = "use_pades_lta" in more
        made = signers.PdfSigner(about, signer, timestamper=clock if archived else None)
        return bytes(made.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(report))).getvalue())

    archived = signed(embed_validation_info=True, use_pades_lta=True, validation_context=then)
    return signed(), archived, [past.root.pem(), past.clock_root.pem()]


def test_years_later_a_signature_for_archives_still_holds(years_ago: Any, saved: Callable[..., Path]) -> None:
    _, archived, roots = years_ago

    said = inspect(archived, [saved(f"{number}.pem", root) for number, root in enumerate(roots)])

    found = standings(said)
    assert found["the signature"] is ATTESTED
    assert found["the signing certificate"] is ATTESTED
    assert found["the time of signing"] is ATTESTED
    assert found["the file since it was signed"] is ATTESTED


def test_years_later_a_signature_without_a_timestamp_is_a_claim(years_ago: Any, saved: Callable[..., Path]) -> None:
    plain, _, roots = years_ago

    said = inspect(plain, [saved(f"{number}.pem", root) for number, root in enumerate(roots)])

    found = standings(said)
    assert (found["the signature"], found["the signing certificate"]) == (ASSERTED, ASSERTED)
    assert "it is out of term (expired on " in says(said, "the signing certificate")
    assert says(said, "the signing certificate").endswith("and no trusted time shows that it signed before.")


# ---- tampered ------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["b-b", "b-t", "b-lta"])
def test_one_byte_of_the_report_is_noticed(level: str, report: bytes, sealed: Any, roots: Any) -> None:
    data = bytearray(sealed[level])
    data[report.index(b"stream\n") + 40] ^= 1

    said = inspect(bytes(data), roots)

    found = standings(said)
    assert found.get("the signature") is BROKEN
    assert ATTESTED not in found.values()


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_bit_can_be_turned_without_notice(where: float, bit: int, sealed: Any, roots: Any) -> None:
    data = bytearray(sealed["b-b"])
    place = int(where * len(data))
    # Inside the signature, spaces, letter cases and what is not signed itself may change; it must only be readable.
    padding = data.rindex(b"0000>")
    inside = data[:padding].rindex(b"<") < place <= padding + 4
    data[place] ^= 1 << bit

    try:
        said = inspect(bytes(data), roots)
    except UserError:
        return  # no longer a PDF
    assert inside or not any(each.about == "the signature" and each.standing is ATTESTED for each in said)


def appended(data: bytes) -> bytes:
    return data + b"\n% a remark\n"


def edited(data: bytes) -> bytes:
    """A later revision that changes the title: what an editor would write."""
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    writer.root["/Lang"] = generic.pdf_string("fr")
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("level", ["b-b", "b-lta"])
@pytest.mark.parametrize(
    ("tamper", "found"),
    [(appended, "Bytes were added behind the signed ones"), (edited, "The file was changed after it was signed")],
)
def test_what_is_added_later_is_noticed(
    tamper: Callable[[bytes], bytes], found: str, level: str, sealed: Any, roots: Any
) -> None:
    said = inspect(tamper(sealed[level]), roots)

    assert standings(said)["the file since it was signed"] is BROKEN
    assert says(said, "the file since it was signed").startswith(found)
    assert says(said, "the file since it was signed").endswith("; the signature allows no change.")


def test_a_report_that_was_saved_anew_is_broken(sealed: Any, roots: Any) -> None:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(sealed["b-b"])) as pdf:
        pdf.save(out)

    assert standings(inspect(out.getvalue(), roots))["the signature"] is BROKEN


def test_a_signature_that_is_nonsense_is_broken(sealed: Any, roots: Any) -> None:
    data = bytearray(sealed["b-b"])
    start = data.rindex(b"/Contents <") + len(b"/Contents <")
    data[start : start + 40] = b"f" * 40

    (said,) = inspect(bytes(data), roots)

    assert said.standing is BROKEN
    assert said.says.startswith("The signature cannot be read (")


def test_without_the_libraries_nothing_is_claimed(sealed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyhanko.sign", None)

    assert inspect(sealed["b-b"]) == (
        Statement(
            about="the signature",
            standing=NOT_COVERED,
            says="It was not looked at: signing is not installed (python -m pip install 'inspectoscope[sign]').",
        ),
    )


# ---- roots ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no certificate: "),
        (b"-----BEGIN RSA KEY-----\n", "no certificate: "),
        (b"\x30\x03\x02\x01\x01", "no certificate"),
    ],
)
def test_a_root_that_is_no_certificate_is_refused(
    content: bytes, found: str, report: bytes, saved: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match="The certificate cannot be read") as told:
        inspect(report, [saved("root.pem", content)])

    assert told.value.problems[0].found.startswith(found)


def test_a_root_that_is_not_there_is_refused(report: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError) as told:
        inspect(report, [tmp_path / "none.pem"])

    assert told.value.problems[0].found == "No such file or directory"
