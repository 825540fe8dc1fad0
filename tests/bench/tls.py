"""TLS before the local cloud, with an endpoint for each service, as on AWS.

Handshakes, certificates and buffers are a good part of what a function needs; over plain HTTP nobody
would see it.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import botocore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
AUTHORITIES = Path(botocore.__file__).with_name("cacert.pem")
"""All public authorities, as on Lambda's image; of a known version on every machine."""
OF_ONE_CONNECTION = ("connection", "content-length", "transfer-encoding")


class Gateways:
    """One endpoint for each service; all lead to the local cloud."""

    def __init__(self, services: tuple[str, ...], cloud_port: int, folder: Path):
        self._bundle = folder / "authorities.pem"
        context = _certified(folder, self._bundle)
        self._gateways = {service: _Gateway(context, cloud_port) for service in services}

    @contextmanager
    def open(self) -> Iterator[Gateways]:
        """Listen, until the end of the context."""
        for gateway in self._gateways.values():
            threading.Thread(target=gateway.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield self
        finally:
            for gateway in self._gateways.values():
                gateway.shutdown()
                gateway.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What a function needs to come this way."""
        urls = {
            f"AWS_ENDPOINT_URL_{service.upper()}": f"https://{HOST}:{gateway.server_port}"
            for service, gateway in self._gateways.items()
        }
        return {"SSL_CERT_FILE": str(self._bundle), **urls}

    @property
    def connections(self) -> dict[str, int]:
        """How often a client has connected, by service."""
        return {service: gateway.connections for service, gateway in self._gateways.items()}


class _Gateway(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, cloud_port: int):
        super().__init__((HOST, 0), _Forwarder)
        # A client's thread shakes hands with it, at the first byte that it reads.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.cloud_port = cloud_port
        self.connections = 0

    def process_request(self, *arguments: Any) -> None:
        self.connections += 1
        super().process_request(*arguments)

    def handle_error(self, *_: Any) -> None:
        """Say nothing when a stopped function leaves its connection behind."""


class _Forwarder(BaseHTTPRequestHandler):
    """Keeps the client's connection open, as AWS does. The local cloud ends its own after each answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        cloud = HTTPConnection(HOST, self.server.cloud_port)
        try:
            cloud.request("POST", self.path, body, dict(self.headers))
            answer = cloud.getresponse()
            content = answer.read()
        finally:
            cloud.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in OF_ONE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _certified(folder: Path, bundle: Path) -> ssl.SSLContext:
    """Return a server's context; its certificate is of an authority that is in the bundle, among others."""
    authority_key, key = (generate_private_key(65_537, 2048) for _ in range(2))
    authority = _certificate("Bench authority", authority_key, "Bench authority", authority_key, True)
    certificate = _certificate(HOST, key, "Bench authority", authority_key, False)
    bundle.write_bytes(AUTHORITIES.read_bytes() + _pem(authority))
    chain = folder / "server.pem"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    chain.write_bytes(_pem(certificate) + key.private_bytes(serialization.Encoding.PEM, *private))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def _certificate(
    name: str, key: RSAPrivateKey, issuer: str, issuer_key: RSAPrivateKey, is_authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
