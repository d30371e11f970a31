"""The Tracking API and management API routes. Never holds a rule."""
