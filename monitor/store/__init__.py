"""The only SQLAlchemy: takes and returns types, never rows."""
