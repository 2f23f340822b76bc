"""Self-signed certificates for targets that speak TLS."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(name: str, *, folder: Path) -> Path:
    """Write a file with a key and a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The files of an authority and of a certificate that it has signed."""

    authority: Path
    certificate: Path
    key: Path


def authority(folder: Path, name: str) -> Issued:
    """Write the certificate of a private authority, and a certificate for a host with its key, which it has signed."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    subjects = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in ("A private one", name)]
    found = Issued(authority=folder / "authority.pem", certificate=folder / "server.pem", key=folder / "server.key")
    now = datetime.now(UTC)
    for number, path in enumerate((found.authority, found.certificate)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subjects[number])
            .issuer_name(subjects[0])
            .public_key(keys[number].public_key())
            .serial_number(number + 1)
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        )
        path.write_bytes(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    found.key.write_bytes(private)
    return found
