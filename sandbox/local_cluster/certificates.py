"""The keys and certificates of one instance.

A certificate authority of its own, the API server's certificate, and the key that signs tokens.
The authority's key is thrown away at once: nothing else is ever signed by it, so its fingerprint tells one
instance from any other cluster (context.py).
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=3650)
# A clock that is a little behind must not refuse a certificate made just now.
BACKDATED = timedelta(hours=1)
DNS_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
ADDRESSES = ("127.0.0.1", "10.0.0.1")

CA_CERTIFICATE = "ca.crt"
SERVER_CERTIFICATE = "apiserver.crt"
SERVER_KEY = "apiserver.key"
SERVICE_ACCOUNT_KEY = "service-account.key"


def write_certificates(folder: Path) -> None:
    """Write the certificates and keys of a new instance into `folder`, keys readable by the owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    ca = _authority(ca_key)
    server = _server(server_key, ca, ca_key)
    (folder / CA_CERTIFICATE).write_bytes(_pem(ca))
    (folder / SERVER_CERTIFICATE).write_bytes(_pem(server))
    _write_key(folder / SERVER_KEY, server_key)
    _write_key(folder / SERVICE_ACCOUNT_KEY, ec.generate_private_key(ec.SECP256R1()))


def fingerprint(certificate: str) -> str:
    """SHA-256 of the first certificate in PEM text, in hex.

    Raises:
        ValueError: the text holds no certificate.
    """
    end = "-----END CERTIFICATE-----"
    if end not in certificate:
        raise ValueError("no PEM certificate")
    first = certificate[: certificate.index(end) + len(end)].strip()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()


def decode_authority(data: str) -> str:
    """The PEM text in a kubeconfig's `certificate-authority-data`."""
    return base64.b64decode(data, validate=True).decode("ascii")


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("sagemaker-gitops sandbox")
    usage = _usage(signature=False, signing=True)
    return (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in DNS_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(_name("kube-apiserver"), ca.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signature=True, signing=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signature: bool, signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signing,
        crl_sign=signing,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
