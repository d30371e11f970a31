"""Describes the APIs that are plain ASGI for the document: the Tracking API, webhooks, and the pages for operators."""
