"""A mail server of our own on loopback: it speaks SMTP, keeps what it is given, and refuses when it is told to."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from email.message import EmailMessage
from typing import cast


class Mailbox:
    """What has arrived, oldest first. `refuse` is an answer such as "451 later", given instead of taking a mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.refuse = ""
        self.lose_answer = 0
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._talk())
        self.server.daemon_threads = True
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()

    def _talk(box) -> type[socketserver.StreamRequestHandler]:  # noqa: N805 (self is the connection's)
        class Talk(socketserver.StreamRequestHandler):
            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self) -> None:
                self.say("220 mailbox")
                sender, to = "", []
                while line := self.rfile.readline().decode().strip():
                    verb = line.split(":")[0].split(" ")[0].upper()
                    if verb == "QUIT":
                        self.say("221 bye")
                        return
                    if verb == "MAIL":
                        sender, to = line[10:].strip("<> "), []
                    if verb == "RCPT":
                        if box.refuse:
                            self.say(box.refuse)
                            continue
                        to.append(line[8:].strip("<> "))
                    if verb == "DATA":
                        self.say("354 go on")
                        self.take(sender, to)
                        if box.lose_answer:
                            box.lose_answer -= 1
                            return
                    self.say("250 ok")

            def take(self, sender: str, to: list[str]) -> None:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                box.mails.append(cast(EmailMessage, message))
                box.envelopes.append((sender, to))

        return Talk
