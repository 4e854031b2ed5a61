"""Private keys and certificates for tests with TLS, strict enough for Python 3.13."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

_LIFE = timedelta(days=2)
_NAMES = x509.SubjectAlternativeName(
    [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
)


class Identity(NamedTuple):
    """The files of a private key and its certificate."""

    key: str
    cert: str


def make_identity(folder: Path) -> Identity:
    """Make a key and a self-signed certificate for localhost, which may sign others too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("localhost")
    certificate = _about(name, key, authority=True).issuer_name(name).sign(key, hashes.SHA256())
    return _write(folder, key, certificate)


def make_signed(authority: Identity, folder: Path) -> Identity:
    """Make a key and a certificate for localhost that an authority has signed."""
    signing = load_pem_private_key(Path(authority.key).read_bytes(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(Path(authority.cert).read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    certificate = (
        _about(_name(folder.name), key, authority=False)
        .issuer_name(issuer.subject)
        .add_extension(identifier, critical=False)
        .sign(signing, hashes.SHA256())
    )
    return _write(folder, key, certificate)


def encrypt_key(plain: str, encrypted: str, password: bytes) -> None:
    """Write the key of one file to another, encrypted."""
    key = load_pem_private_key(Path(plain).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    Path(encrypted).write_bytes(_pem(key, BestAvailableEncryption(password)))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _about(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
) -> x509.CertificateBuilder:
    """Return a certificate that lacks its issuer (RFC 5280 §4.2.1)."""
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=authority, crl_sign=authority,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_NAMES, critical=False)
    )


def _write(folder: Path, key: ec.EllipticCurvePrivateKey, cert: x509.Certificate) -> Identity:
    folder.mkdir(parents=True, exist_ok=True)
    made = Identity(str(folder / "key.pem"), str(folder / "cert.pem"))
    Path(made.key).write_bytes(_pem(key, NoEncryption()))
    Path(made.cert).write_bytes(cert.public_bytes(Encoding.PEM))
    return made


def _pem(key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
