"""The model gateway under `/v1/`: a small ASGI application beside Django.

What a request needs (keys, routes) comes from a snapshot in memory; what it leaves (call records)
is written in batches. While a model talks, nothing of the database is held.

app.py            finds the handler, authenticates, shapes every failure
exchange.py       one request and its answer over ASGI's callables
authentication.py personal keys        routing.py  model name -> deployment
chat_request.py   reads the body       completions.py  answers it
calls.py          what all endpoints share: resolve route -> attempt, and the record
messages.py       Anthropic's endpoint: message_request, message_compose, message_passthrough
embeddings.py, rerank.py, model_pages.py   the other endpoints
sealed_state.py   what a provider wants back, kept by the client
passthrough.py    OpenAI bytes, forwarded     compose.py  events of other dialects as OpenAI's
limits/           of keys and users: per minute, at the same time, in money
upstream.py       the guarded, pooled way out     records.py  call records in batches
"""
