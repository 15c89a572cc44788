from __future__ import annotations

import os
import socket

from local import ports


def test_a_wanted_port_is_taken_when_it_is_free() -> None:
    wanted = ports.free()

    assert ports.free(wanted) == wanted


def test_another_port_is_taken_when_somebody_listens_on_the_wanted_one() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        wanted = other.getsockname()[1]

        assert ports.free(wanted) != wanted


def test_another_port_is_taken_when_somebody_listens_on_every_interface() -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        wanted = other.getsockname()[1]

        assert ports.free(wanted) != wanted


def test_two_that_listen_on_one_port_are_noticed() -> None:
    with socket.create_server((ports.LOOPBACK, 0), reuse_port=True) as one:
        port = one.getsockname()[1]

        assert not ports.is_shared(port, {os.getpid()})
        assert ports.is_shared(port, set())
