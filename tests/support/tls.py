"""Certificates for tests, by the openssl command: a CA, and what it signed."""

import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path


class Authority:
    """A CA of its own in `folder`. Each certificate is a pair of paths: certificate, key (PEM)."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = Path(folder), name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert, self.key = self.path("crt"), self.path("key")
        self.openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", f"/CN=OpenGateway test {name}", "-keyout", self.key, "-out", self.cert),
        )

    def path(self, ending, name=None):
        return self.folder / f"{name or self.name}.{ending}"

    def openssl(self, *args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=self.folder)

    def sign(self, name, names="IP:127.0.0.1,DNS:localhost", expired=False):
        """`names` are the subject's alternative names; an expired certificate ended yesterday."""
        key, request, cert = self.path("key", name), self.path("csr", name), self.path("crt", name)
        extensions = self.path("ext", name)
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        self.openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", key, "-out", request),
        )
        if not expired:
            self.openssl(
                *("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial"),
                *("-days", "2", "-extfile", extensions, "-out", cert),
            )
            return cert, key
        self.sign_for_the_past(name, request, extensions, cert)
        return cert, key

    def sign_for_the_past(self, name, request, extensions, cert):
        """`openssl x509` knows no dates before today; `openssl ca` does, and wants a small office for it."""
        office = self.folder / f"{name}.office"
        office.mkdir()
        (office / "index.txt").touch()
        (office / "serial").write_text("01\n")
        (office / "ca.cnf").write_text(
            "[ca]\ndefault_ca=a\n[a]\n"
            f"database={office}/index.txt\nserial={office}/serial\nnew_certs_dir={office}\n"
            "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
        )
        stamp = "%Y%m%d%H%M%SZ"
        now = datetime.now(timezone.utc)
        self.openssl(
            *("ca", "-batch", "-config", office / "ca.cnf", "-cert", self.cert, "-keyfile", self.key, "-in", request),
            *("-startdate", (now - timedelta(days=3)).strftime(stamp)),
            *("-enddate", (now - timedelta(days=1)).strftime(stamp)),
            *("-extfile", extensions, "-out", cert),
        )
