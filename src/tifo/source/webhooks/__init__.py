"""Receives LiveLike's webhooks, and sends Tifo's in the same form.

In: `inbox` stores a received webhook, `intake` completes it by `lookup` and sends it on as a track event. Out: `sender`
posts each fact to its subscribers, with the state in `outbox`. `incoming` and `outgoing` are the pure formats.
"""
