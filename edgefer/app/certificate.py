"""A certificate of edgefer's own for HTTPS in the local network, without which browsers give a page no camera.

It is signed by itself, so a browser warns of it once; its fingerprint is printed, so that the user can compare.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edgefer.runtime.errors import MissingEngine
from edgefer.runtime.files import cache_folder, digest, write_atomic

EXTRA = "web"
_VALID = datetime.timedelta(days=365)
_LEFT = datetime.timedelta(days=7)  # one that ends sooner is made anew


def server_context(host: str) -> ssl.SSLContext:
    """What a server at this address encrypts with; its certificate is kept in the cache."""
    path = certificate_path(host)
    if not _usable(path):
        write_atomic(path, _new(host), mode=0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(path)
    return context


def certificate_path(host: str) -> Path:
    """Certificate and key of an address."""
    return cache_folder() / "web" / f"certificate-{host}.pem"


def fingerprint(host: str) -> str:
    """The certificate's SHA-256, as browsers show it."""
    digits = digest(ssl.PEM_cert_to_DER_cert(_certificate(certificate_path(host)))).upper()
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def _certificate(path: Path) -> str:
    text = path.read_text("ascii")
    return text[text.index("-----BEGIN CERTIFICATE-----") :]


def _usable(path: Path) -> bool:
    """Whether there is a certificate that holds for some days."""
    x509 = _import_x509()
    try:
        certificate = x509.load_pem_x509_certificate(_certificate(path).encode())
    except (OSError, ValueError):
        return False
    return bool(certificate.not_valid_after_utc - _LEFT > datetime.datetime.now(datetime.UTC))


def _new(host: str) -> bytes:
    """Key and certificate of an IP address, PEM."""
    x509 = _import_x509()
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"edgefer at {host}")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public: bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return bytes(secret) + public


def _import_x509() -> ModuleType:
    """The part of cryptography that reads and makes certificates; raises MissingEngine if it is not installed."""
    try:
        return import_module("cryptography.x509")
    except ModuleNotFoundError as error:
        raise MissingEngine.of("cryptography", EXTRA) from error
