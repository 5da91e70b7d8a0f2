"""The model gateway under `/v1/`: a small ASGI application beside Django.

What a request needs (keys, routes) comes from a snapshot in memory; what it leaves (call records)
is written in batches. While a model talks, nothing of the database is held.

app.py            finds the handler, authenticates, shapes every failure
exchange.py       one request and its answer over ASGI's callables
core.py           what the requests of one event loop share
authentication.py personal keys
limits/           of keys and users: per minute, at the same time, in money
routing.py        a name -> plans.py: its models and their order -> route.py: one of them
health.py         which models answer (health_rows.py: what other processes know)
calls.py          what all endpoints share: plan -> attempts.py -> the record of the call
running.py        the calls that run, which end when their key does
completions.py    OpenAI's chats (chat_request.py reads them)
messages.py       Anthropic's (message_request.py, message_tools.py, message_compose.py)
embeddings.py, rerank.py, model_pages.py   the other endpoints
forwarding.py     answers passed on as bytes: passthrough.py OpenAI's, message_passthrough.py
                  Anthropic's; compose.py makes OpenAI's from the events of other dialects
sealed_state.py   what a provider wants back, kept by the client
clock.py          one timer for many deadlines
begun.py          coroutines that seldom wait, without tasks
description.py    all of it as OpenAPI has it, with the bodies of request_schemas.py
upstream.py       the guarded, pooled way out
records.py        calls and their records in batches -> ledger_writing.py: into the database
spool.py          the records that wait, in a file: for a process that is killed
"""
