"""The database itself: connections, tables, migrations and bulk statements. It implements no contract."""
