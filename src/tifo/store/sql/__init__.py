"""Opens the database and runs statements: connections, tables, migrations, bulk statements. Implements no contract."""
