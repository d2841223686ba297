import shutil

from installing import HERE, PINS, install_step, installed
from queues.row import Peer
from services import free_port

CONNECTIONS = 16


class Gearman(Peer):
    name = "gearman"
    kept = "nothing (jobs in the foreground)"
    setup = (
        f"Debian's gearmand, 2 threads; a worker with {CONNECTIONS} connections and a client with one, both in C, which speak its protocol themselves and "
        "write together what is ready"
    )

    def __init__(self, bed):
        folder = PINS / "gearman"
        packages = folder / "packages.txt"
        pins = [packages, folder / "gearman.c", HERE / "tally.c", HERE / "tally.h"]
        self.root = installed("gearman", pins, lambda to: self.install(to, packages.read_text().split(), pins))
        self.version = packages.read_text().split("=")[1].strip()
        self.port = free_port()
        super().__init__(bed)

    @staticmethod
    def install(to, packages, pins):
        """The packages' files under `to`, so that nothing of the system's is touched, and no service starts."""
        archives = to / "archives"
        (archives / "partial").mkdir(parents=True)
        apt = ["apt-get", "-qq", "-y", "-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1"]
        install_step([*apt, "install", "--download-only", "--reinstall", "--no-install-recommends", *packages])
        for package in archives.glob("*.deb"):
            install_step(["dpkg-deb", "-x", str(package), str(to)])
        sources = [str(pin) for pin in pins if pin.suffix == ".c"]
        install_step(["cc", "-O2", f"-I{HERE}", *sources, "-o", str(to / "gearman")])
        shutil.rmtree(archives)

    def environment(self):
        libraries = ":".join(map(str, (self.root / "usr/lib").glob("*-linux-gnu")))
        return {**super().environment(), "LD_LIBRARY_PATH": libraries}

    def start(self):
        listen = ["--listen", "127.0.0.1", "--port", self.port, "--threads", 2, "--log-file", "stderr"]
        server = self.spawn(self.root / "usr/sbin/gearmand", *listen)
        self.wait_for_port(server, self.port)
        self.spawn(self.root / "gearman", self.port, "worker", CONNECTIONS)

    def client(self):
        return [self.root / "gearman", self.port, "client"]
