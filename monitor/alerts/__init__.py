"""When to ring, about what, and whom to tell. Decisions here are pure; notify.py alone reaches outside."""
