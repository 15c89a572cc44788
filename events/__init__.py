"""What happened: one row for every change, written in the change's own transaction.

Owns:     events (the history that staff read, the audit trail, the message that leaves), their seals, persons' salts,
          e-mails on their way.
Answers:  what happened to this user, in which order, who did it and why?
Never:    decides anything, or changes a row once written.
Imports:  no app.
"""
