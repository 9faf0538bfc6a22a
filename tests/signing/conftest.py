"""A small PKI of our own with a timestamp service on loopback, and a report to sign. All keys live for one session."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSPHRASE = "correct horse"
_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
           "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip


def _key(kind: str) -> Any:
    match kind:
        case "ec":
            return ec.generate_private_key(ec.SECP256R1())
        case "ec384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise AssertionError(kind)


def _usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _USAGES})


@dataclass(frozen=True, kw_only=True)
class Party:
    """A key, its certificate and those above it, without the root."""

    key: Any
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def name(self) -> str:
        """The common name."""
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    def p12(self, passphrase: str | None = PASSPHRASE) -> bytes:
        """Everything in one PKCS#12 file."""
        how = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
        return pkcs12.serialize_key_and_certificates(b"key", self.key, self.certificate, self.chain, how)

    def pem_key(self, passphrase: str | None = None) -> bytes:
        """The private key alone."""
        how = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
        return bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))

    def pem(self) -> bytes:
        """The certificate and those above it."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.chain))


@dataclass
class Pki:
    """Two roots that do not know each other, an issuing authority, a timestamp service, revocation lists."""

    url: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    revoked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.root = self.authority("Test Root")
        self.issuing = self.authority("Test Issuing Authority", above=self.root)
        self.clock_root = self.authority("Test Clock Root")
        self.clock = self.party("Test Clock", above=self.clock_root, kind="rsa", clock=True, days=6000)
        self.signer = self.party("Quality Department (invented)", above=self.issuing)
        self.stranger = self.party("Quality Department (invented)", above=self.authority("Unknown Root"))
        self.expired = self.party("Former Department (invented)", above=self.issuing, began=-800, days=-400)
        self.revoked_signer = self.party("Dismissed Department (invented)", above=self.issuing)
        self.revoked.add(self.revoked_signer.certificate.serial_number)

    def authority(self, name: str, *, above: Party | None = None) -> Party:
        """An authority: a root of its own, or below another."""
        return self._issue(name, _key("ec"), above, 9000, -1000, [
            (x509.BasicConstraints(ca=True, path_length=None), True), (_usage("key_cert_sign", "crl_sign"), True),
        ])  # fmt: skip

    def party(
        self, name: str, *, above: Party, kind: str = "ec", days: int = 700, began: int = -1, clock: bool = False,
        usage: tuple[str, ...] = ("digital_signature", "content_commitment"),
    ) -> Party:  # fmt: skip
        """Somebody who signs, or a clock."""
        more: list[tuple[x509.ExtensionType, bool]] = [(_usage(*usage), True)]
        if clock:
            more.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True))
        return self._issue(name, _key(kind), above, days, began, more)

    def own_made(self, name: str) -> Party:
        """Somebody whose certificate is of their own making, as ``openssl req -x509`` makes one."""
        basic: x509.ExtensionType = x509.BasicConstraints(ca=True, path_length=None)
        return self._issue(name, _key("ec"), None, 700, -1, [(basic, True)])

    def _issue(
        self, name: str, key: Any, above: Party | None, days: int, began: int,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> Party:  # fmt: skip
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, issuer_key = (subject, key) if above is None else (above.certificate.subject, above.key)
        build = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now + timedelta(days=began)).not_valid_after(self.now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )  # fmt: skip
        if above is not None:
            where = x509.UniformResourceIdentifier(f"{self.url}/{above.certificate.serial_number}.crl")
            points = [x509.DistributionPoint([where], relative_name=None, reasons=None, crl_issuer=None)]
            build = build.add_extension(x509.CRLDistributionPoints(points), critical=False)
            self._authorities[above.certificate.serial_number] = above
        for extension, critical in extensions:
            build = build.add_extension(extension, critical=critical)
        certificate = build.sign(issuer_key, hashes.SHA256())
        # A root is never handed out with a key: who trusts it says so.
        rooted = above is None or above.certificate.issuer == above.certificate.subject
        chain = () if above is None or rooted else (above.certificate, *above.chain)
        return Party(key=key, certificate=certificate, chain=chain)

    @property
    def _authorities(self) -> dict[int, Party]:
        return self.__dict__.setdefault("_all", {})

    def crl(self, serial: int) -> bytes:
        """The revocation list of an authority."""
        above = self._authorities[serial]
        build = (
            x509.CertificateRevocationListBuilder().issuer_name(above.certificate.subject)
            .last_update(self.now - timedelta(hours=1)).next_update(self.now + timedelta(days=30))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(1), critical=False)
        )  # fmt: skip
        for number in self.revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(number)
            build = build.add_revoked_certificate(entry.revocation_date(self.now - timedelta(minutes=30)).build())
        return build.sign(above.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def timestamp(self, request: bytes) -> bytes:
        """The clock's answer to a request (RFC 3161)."""
        from asn1crypto import keys, tsp
        from asn1crypto import x509 as asn1
        from pyhanko.sign.timestamps import DummyTimeStamper

        certificate = asn1.Certificate.load(self.clock.certificate.public_bytes(Encoding.DER))
        private = self.clock.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        clock = DummyTimeStamper(certificate, keys.PrivateKeyInfo.load(private))
        return bytes(clock.request_tsa_response(tsp.TimeStampReq.load(request)).dump())


class _Service(BaseHTTPRequestHandler):
    """Timestamps at /clock, revocation lists at /SERIAL.crl; further paths answer wrongly on purpose."""

    pki: Pki

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match self.path:
            case "/clock":
                self._answer(self.pki.timestamp(body), "application/timestamp-reply")
            case "/nonsense":
                self._answer(b"this is no timestamp", "application/timestamp-reply")
            case "/another":
                # A token that is right in itself, about something else.
                self._answer(self.pki.timestamp(self._other(body)), "application/timestamp-reply")
            case _:
                self.send_error(503)

    def do_GET(self) -> None:
        serial = self.path.strip("/").removesuffix(".crl")
        self._answer(self.pki.crl(int(serial)), "application/pkix-crl")

    def _other(self, body: bytes) -> bytes:
        from asn1crypto import tsp

        request = tsp.TimeStampReq.load(body)
        request["message_imprint"]["hashed_message"] = bytes(32)
        return bytes(request.dump(force=True))

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def pki() -> Iterator[Pki]:
    """The PKI, with its services on loopback."""
    pytest.importorskip("pyhanko", reason="signing needs the extra 'sign'")
    handler = type("Service", (_Service,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    built = Pki(url=f"http://127.0.0.1:{server.server_address[1]}")
    handler.pki = built
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield built
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def report() -> bytes:
    """A small report as the tool writes it, unsigned."""
    from audit.report import pdf

    path = Path(__file__).resolve().parents[1] / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("report_conftest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    record = module.invented_record()
    return pdf.render(record.model_copy(update={"checks": record.checks[-1:]}))


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Write bytes into a file of the test's own folder."""

    def save(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return save


@pytest.fixture(scope="session")
def roots(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files of the roots that vouch for the signer and for the clock."""
    folder = tmp_path_factory.mktemp("roots")
    for name, party in (("signer.pem", pki.root), ("clock.pem", pki.clock_root)):
        (folder / name).write_bytes(party.pem())
    return folder / "signer.pem", folder / "clock.pem"


@pytest.fixture(scope="session")
def key_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Party], Path]:
    """Write a party's key as PKCS#12."""
    folder = tmp_path_factory.mktemp("keys")

    def write(party: Party) -> Path:
        path = folder / f"{party.certificate.serial_number}.p12"
        path.write_bytes(party.p12())
        return path

    return write


@pytest.fixture(scope="session")
def sign(report: bytes, key_of: Callable[[Party], Path]) -> Callable[..., Any]:
    """Sign the report (or other bytes) for a party, with the options of a wish."""
    from audit.signing import keys, pades

    def signed(party: Party, *, data: bytes = report, **wish: Any) -> Any:
        with keys.opened(str(key_of(party)), (), lambda _: PASSPHRASE) as key:
            return pades.sign(data, key, pades.Wish(**wish))

    return signed


@pytest.fixture(scope="session")
def sealed(pki: Pki, sign: Callable[..., Any], roots: tuple[Path, Path]) -> dict[str, bytes]:
    """The report, signed at each level."""
    from audit.signing.pades import Level, Stated

    stated = Stated(name="A. Nobody (invented)", reason="Issued", location="Nowhere")
    clock = f"{pki.url}/clock"
    return {
        "b-b": sign(pki.signer, stated=stated).data,
        "b-t": sign(pki.signer, timestamp=clock, level=Level.B_T).data,
        "b-lta": sign(pki.signer, stated=stated, timestamp=clock, trust=roots).data,
    }


@pytest.fixture(scope="session")
def statement() -> bytes:
    """A small in-toto statement."""
    subject = [{"name": "models/invented", "digest": {"sha256": "ab" * 32}}]
    found = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {"result": "PASSED", "configuration": []},
    }
    return json.dumps(found).encode()
