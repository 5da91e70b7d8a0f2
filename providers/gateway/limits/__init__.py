"""Requests and tokens per minute, calls at the same time, and budgets, of keys and of users.

holders    whose limits a call counts for
counting   what a store is asked and what it answers
windows    a minute, counted by the second
memory     the store of one process
estimates  what a call may take, before it begins
shared     the store of all processes, in Redis; memory while Redis is away
scripts    what Redis runs
spending   what calls have cost, in USD
admission  lets a call in and counts what it really took when it ends
refusals   what a refused caller reads
"""

from providers.gateway.limits.admission import Limiter
from providers.gateway.limits.holders import Holder

__all__ = ["Holder", "Limiter"]
