"""A whole Farebox on one machine: servers, tables, processes, and an end to all of them.

Owns:     `.env`, `var/`, the embedded Postgres and Valkey, the processes of the Procfile.
Answers:  ./farebox up, test, prove, logs, down, clean.
Never:    runs in production; imports an app of Farebox (commands of Farebox are started as processes).
Imports:  nothing of ours but `config.environment`, so that settings have one reader.
"""
