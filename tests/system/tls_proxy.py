"""Certificates of a test's own, made by the openssl command, and a proxy that speaks TLS in front of a plain port."""

import contextlib
import pathlib
import re
import selectors
import socket
import ssl
import subprocess
import threading


class Authority:
    """A CA that nobody else knows."""

    def __init__(self, folder: pathlib.Path, name: str = "test CA"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "ca.pem"
        self.key = folder / "ca.key"
        self.issued = 0
        openssl(
            *(
                "req",
                "-x509",
                *NEW_KEY,
                "-days",
                "2",
                "-subj",
                f"/CN={name}",
                "-keyout",
                self.key,
                "-out",
                self.file,
            ),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"),
        )

    def issue(self, names: str = "IP:127.0.0.1,DNS:localhost", days: int = 2) -> pathlib.Path:
        """A PEM file of a key and its certificate for these names; negative days: it has expired."""
        self.issued += 1
        base = self.folder / f"server{self.issued}"
        request, extensions = base.with_suffix(".csr"), base.with_suffix(".ext")
        key, certificate = base.with_suffix(".key"), base.with_suffix(".crt")
        extensions.write_text(f"subjectAltName={names}\n")
        openssl("req", "-new", *NEW_KEY, "-subj", "/CN=server", "-keyout", key, "-out", request)
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial"),
            *("-days", str(days), "-extfile", extensions, "-out", certificate),
        )
        both = base.with_suffix(".pem")
        both.write_text(key.read_text() + certificate.read_text())
        return both


AUTHORIZATION = re.compile(rb"(?i)\r\nauthorization: ([^\r]*)")
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class TlsProxy:
    """https://127.0.0.1:PORT in front of 127.0.0.1:TARGET. The certificate may be changed while it runs."""

    def __init__(self, target: int, certificate: pathlib.Path, version: ssl.TLSVersion | None = None):
        self.target = target
        self.version = version
        self.present(certificate)
        self.connections = 0  # whose handshake was completed
        self.authorizations: set[bytes] = set()  # values of that header, as clients sent them
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def present(self, certificate: pathlib.Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if self.version:
            context.minimum_version = context.maximum_version = self.version
        self.context = context

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            held.enter_context(client)
            secure = held.enter_context(self.context.wrap_socket(client, server_side=True))
            self.connections += 1
            backend = held.enter_context(socket.create_connection(("127.0.0.1", self.target)))
            self.pump(secure, backend)

    def pump(self, secure: ssl.SSLSocket, backend: socket.socket) -> None:
        """Both ways in one thread, since an SSLSocket may not be used by two; ends when either side does."""
        secure.settimeout(None)
        backend.settimeout(None)
        with selectors.DefaultSelector() as ready:
            ready.register(secure, selectors.EVENT_READ)
            ready.register(backend, selectors.EVENT_READ)
            while True:
                sources = [key.fileobj for key, _ in ready.select()]
                if secure in sources:
                    while True:
                        data = secure.recv(65_536)
                        if not data:
                            return
                        self.authorizations.update(AUTHORIZATION.findall(data))
                        backend.sendall(data)
                        if not secure.pending():
                            break
                if backend in sources:
                    data = backend.recv(65_536)
                    if not data:
                        with contextlib.suppress(OSError):
                            secure.unwrap()
                        return
                    secure.sendall(data)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
