"""Subscriptions at /v1/stream/__ds/…: workers are woken by webhooks, or through wake streams. PROTOCOL.md, 6 and 7.

part.py        a request → what answers it
bodies.py      JSON as clients send and get it
keys.py        the key that signs webhooks and makes tokens
targets.py     where a webhook may go
courier.py     delivers one
dispatcher.py  notices what is to be done, and has it done
"""
